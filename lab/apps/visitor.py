"""Connects to the control socket whose path stands in the given file; says whether it is let in."""

import socket
import sys

with open(sys.argv[1]) as file:
    path = file.read()
control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
control.connect(path)
try:
    control.send(b"any words")
    print("let in" if control.recv(65536) else "refused")
except OSError:
    # closed before or after our words
    print("refused")
