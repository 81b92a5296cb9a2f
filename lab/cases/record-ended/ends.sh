#!/bin/sh
# Becomes a Python that works for a while.
exec python3 -c "
import sys, time
end = time.monotonic() + 0.5
while time.monotonic() < end: pass
sys.exit(5)"
