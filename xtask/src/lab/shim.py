"""What a node's shim does: start a container, adopt its PID 1, leave with its exit code.

Usage: shim.py PID_FILE RUNTIME_COMMAND...

The runtime hands the standard streams to the container and goes away; the container's PID 1 then comes to the nearest
subreaper, which is this process.
"""

import ctypes
import os
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
    sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
started = subprocess.call(sys.argv[2:])
if started != 0:
    sys.exit(f"the runtime could not start the container: exit code {started}")
with open(sys.argv[1]) as file:
    pid = int(file.read())
while True:
    ended, status = os.wait()
    if ended == pid:
        code = os.waitstatus_to_exitcode(status)
        sys.exit(code if code >= 0 else 128 - code)
