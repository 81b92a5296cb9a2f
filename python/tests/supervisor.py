"""A stand-in that speaks the supervisor's side of the control socket: whatever the test wants it to say."""

from __future__ import annotations

import json
import pathlib
import socket
import threading
from types import TracebackType
from typing import Any

SECONDS = 60
"""A bound that only a hang exceeds."""


class Supervisor:
    """Accepts subscribers; everything that it says goes to all of them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = str(folder / "control")
        self.requests: list[Any] = []
        self._peers: list[socket.socket] = []
        self._changed = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(SECONDS)
        self._listener.close()
        for peer in self._peers:
            peer.close()

    def await_subscribers(self, count: int) -> None:
        """Until so many have subscribed, those that are gone counted too."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._peers) >= count, SECONDS), f"{len(self._peers)} of {count}"

    def say(self, packet: object) -> None:
        """To all who still listen."""
        text = packet if isinstance(packet, bytes) else json.dumps(packet).encode()
        with self._changed:
            for peer in self._peers:
                try:
                    peer.send(text)
                except OSError:
                    continue

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            peer.settimeout(SECONDS)
            request = peer.recv(1 << 16)
            with self._changed:
                self.requests.append(json.loads(request) if request else None)
                self._peers.append(peer)
                self._changed.notify_all()
