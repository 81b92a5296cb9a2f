"""An ASGI application: `/slow` takes a second and notes when it is in the middle of it, `/agent` who is there."""

import asyncio
import os

from present import note_agent


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        open(os.environ["LAB_OUT"] + "/in-flight", "w").close()
        await asyncio.sleep(1)
    if scope["path"] == "/agent":
        note_agent()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"answered\n"})
