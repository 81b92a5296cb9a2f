"""An application that cleans up for 0.3 s when it is told to stop."""

import signal
import time

told = []
signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
print("ready", flush=True)
while not told:
    time.sleep(0.01)
time.sleep(0.3)
print("finished", flush=True)
