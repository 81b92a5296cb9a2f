"""Leaves COUNT orphans behind, as a pool of helpers does whose parents die first; waits for no one but those parents."""

import os
import sys
import time

BATCH = 200
count = int(sys.argv[1])
for made in range(0, count, BATCH):
    parent = os.fork()
    if parent == 0:
        try:
            for _ in range(min(BATCH, count - made)):
                if os.fork() == 0:
                    os._exit(0)
        except OSError:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(parent, 0)
    if status != 0:
        print(f"failed: no more processes after {made} orphans", flush=True)
        break
else:
    print("made", flush=True)
while True:
    time.sleep(60)
