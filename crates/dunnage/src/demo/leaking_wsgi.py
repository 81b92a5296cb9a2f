"""A WSGI application whose every answer leaves 2 MiB behind, and what gunicorn calls when a worker of it is up.

`/slow` then takes a while, as a database would, so that both workers are in the middle of something when memory runs out.
"""

import os
import time

import numpy

left_behind = []


def post_worker_init(worker):
    # in one piece, whatever another worker says
    os.write(1, b"ready\n")


def app(environ, start_response):
    table = numpy.random.default_rng(1).random(1 << 18)
    left_behind.append(table)
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.5)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{table.sum()}\n".encode()]
