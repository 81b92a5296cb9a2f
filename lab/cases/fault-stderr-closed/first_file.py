"""Opens a file, which may get the number of stderr; exits with 14 where it holds at the end what was written, else 1."""

import signal
import sys
import time

told = False


def stop(number, frame):
    global told
    told = True


signal.signal(signal.SIGTERM, stop)
with open(sys.argv[1], "w") as file:
    file.write("row 1\n")
    file.flush()
    print("up", flush=True)
    while not told:
        time.sleep(0.01)
    print("told", flush=True)
    file.write("row 2\n")
with open(sys.argv[1]) as file:
    kept = file.read() == "row 1\nrow 2\n"
print("rows kept" if kept else "rows lost", flush=True)
sys.exit(14 if kept else 1)
