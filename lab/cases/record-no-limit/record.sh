#!/bin/sh
# Records, and says whether the verdict is one of the two that speak of throttling.
dunnage record --duration 3s --format json -o "$1/stall.json" > "$1/verdict.json" || exit
if grep -q '"kind": "throttled' "$1/verdict.json"; then
    grep '"kind"' "$1/verdict.json"
else
    echo not throttled
fi
