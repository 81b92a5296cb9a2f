"""As process 1 that does not wait for what it inherits: a grandchild ends after its parent, and stays a zombie.

Ends when the file is there that it is given the path of.
"""

import os
import sys
import time

read, write = os.pipe()
if (child := os.fork()) == 0:
    if os.fork() == 0:
        # ends only once its parent has: what process 1 inherits
        os.read(read, 1)
        os._exit(0)
    os._exit(0)
os.waitpid(child, 0)
os.write(write, b"x")


def zombies():
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[:2] == ["Z", "1"]:
                    return True
        except OSError:
            pass
    return False


while os.getpid() == 1 and not zombies():
    time.sleep(0.01)
print("zombie", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
