"""What gunicorn serves in the workload gthread: a request notes itself, from when a thread has it."""

import atexit
import os

from harness import Log, compute, hold_gil

log = Log(os.environ["TRUTH_LOG"])
atexit.register(log.write)
short, long = compute(0.002), hold_gil(0.060)
with open(f"{log.path}.ready", "w"):
    pass


def application(environ, start_response):
    with log.request():
        (long if environ["PATH_INFO"] == "/long" else short)()
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
