"""Has no handler, only things to do at its end."""

import atexit
import time

atexit.register(print, "atexit", flush=True)
try:
    print("up", flush=True)
    while True:
        # a short nap: a signal just before a long one would wait for its end
        time.sleep(0.01)
finally:
    print("finally", flush=True)
