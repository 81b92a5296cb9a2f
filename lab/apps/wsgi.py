"""A WSGI application: `/slow` takes a second and notes when it is in the middle of it."""

import os
import time


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open(os.environ["LAB_OUT"] + "/in-flight", "w").close()
        time.sleep(1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answered\n"]
