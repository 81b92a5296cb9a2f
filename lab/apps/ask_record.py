"""Asks on the control socket for a recording; says what it is answered first."""

import json
import os
import socket

control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
control.connect(os.environ["DUNNAGE_SOCKET"])
control.send(b'{"op":"record","interval_us":5000,"duration_ms":100}')
answer = json.loads(control.recv(65536))
print(answer["op"], answer.get("message", ""))
