"""An ASGI application: `/hoard` fills the container to 75 % of its limit and then slowly more, until its worker is told to go."""

import asyncio
import os
import signal

import room

hoard = []
told = []


def take(size):
    hoard.append(b"\1" * size)


async def fill():
    while room.held() < room.limit() * 0.75:
        take(1 << 20)
    # a seventieth of the limit a second, until asked to end; never so much that the kernel has to
    while not told and room.held() < room.limit() * 0.96:
        take(room.limit() >> 9)
        await asyncio.sleep(0.15)


def note(name):
    open(f"{os.environ['LAB_OUT']}/{name}", "w").close()


def note_worker():
    """One file for each worker that was ever ready."""
    number = 1
    while True:
        try:
            return os.close(os.open(f"{os.environ['LAB_OUT']}/worker-{number}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            number += 1


def hear_of_the_end():
    usual = signal.getsignal(signal.SIGTERM)

    def hear(number, frame):
        told.append(number)
        usual(number, frame)

    signal.signal(signal.SIGTERM, hear)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        note_worker()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/hoard":
        hear_of_the_end()
        await fill()
    note("answered" if hoard else "answered-again")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"answered\n"})
