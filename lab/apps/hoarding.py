"""A WSGI application: `/hoard` fills the container to 75 % of its limit and then slowly more, until its worker is told to go."""

import os
import signal
import time

import room

SLOWLY = 256 << 10
hoard = []
told = []


def take(size):
    hoard.append(b"\1" * size)


def fill():
    while room.held() < room.limit() * 0.75:
        take(1 << 20)
    # a seventieth of the limit a second, until asked to end; never so much that the kernel has to
    while not told and room.held() < room.limit() * 0.96:
        take(SLOWLY)
        time.sleep(0.15)


def note(name):
    open(f"{os.environ['LAB_OUT']}/{name}", "w").close()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/hoard":
        usual = signal.getsignal(signal.SIGTERM)

        def hear(number, frame):
            told.append(number)
            usual(number, frame)

        signal.signal(signal.SIGTERM, hear)
        fill()
    note("answered" if hoard else "answered-again")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answered\n"]
