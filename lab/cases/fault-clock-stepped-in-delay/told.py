"""Says `up`; on SIGTERM writes the given file and leaves with 5."""

import os
import signal
import sys
import time


def stop(*_):
    with open(sys.argv[1], "w") as file:
        file.write("told")
    sys.exit(5)


signal.signal(signal.SIGTERM, stop)
os.write(1, b"up\n")
while True:
    time.sleep(60)
