"""A WSGI application: `/slow` takes a second and notes when it is in the middle of it, `/agent` who is there."""

import os
import time

from present import note_agent


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open(os.environ["LAB_OUT"] + "/in-flight", "w").close()
        time.sleep(1)
    if environ["PATH_INFO"] == "/agent":
        note_agent()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answered\n"]
