#!/bin/sh
# Runs the same words without and with the agent, and compares what they print and how they end.
"$@" >"$OUT/plain" 2>&1
plain=$?
dunnage exec --cpu-limit 1 -- "$@" >"$OUT/packed" 2>&1
packed=$?
diff "$OUT/plain" "$OUT/packed" && echo "same, $plain and $packed"
dunnage exec -- python3 -c "import sys; print('_dunnage_agent' in sys.modules)"
