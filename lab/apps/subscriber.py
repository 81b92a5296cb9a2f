"""Says hello on the control socket and subscribes; says `up` when that was heard, and on SIGTERM what it was told before."""

import json
import os
import signal
import socket
import sys
import time

control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
control.connect(os.environ["DUNNAGE_SOCKET"])


def say(line):
    os.write(1, f"{line}\n".encode())


def stop(*_):
    # the notice was sent before the signal: no waiting
    try:
        notice = json.loads(control.recv(65536, socket.MSG_DONTWAIT))
        say(f"told of {notice['op']} by {notice['signal']}, deadline {notice['deadline_ms']}")
    except BlockingIOError:
        say("told of nothing")
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
for words in (
    {"op": "hello", "python": sys.version.split()[0], "door": "path"},
    {"op": "subscribe", "to": ["drain", "pressure"]},
    {"op": "no such thing"},
):
    control.send(json.dumps(words).encode())
# the answer to the last packet says that those before it were heard
assert json.loads(control.recv(65536))["op"] == "error"
if len(sys.argv) > 1:
    with open(f"{sys.argv[1]}/socket", "w") as file:
        file.write(os.environ["DUNNAGE_SOCKET"])
say("up")
while True:
    time.sleep(60)
