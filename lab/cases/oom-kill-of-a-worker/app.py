"""A parent that survives the OOM kill of its worker and says how it ended."""

import os
import sys

pid = os.fork()
if pid == 0:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    os.execv(sys.executable, [sys.executable, sys.argv[1]])
_, status = os.waitpid(pid, 0)
print("worker", os.waitstatus_to_exitcode(status), flush=True)
