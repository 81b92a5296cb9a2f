"""Where news for the hooks comes from: the supervisor's socket, read by a thread of ours.

There is no thread without a hook, and none at a fork. CPython 3.12 and later warn when a process with threads forks,
and the child would inherit locks of a thread that is not there. So every listener is stopped before a fork, waited for
until the kernel has forgotten it, and started again when ``os.fork`` has returned, in the parent as well as in the
child: the interpreter is asked to call us once the main thread runs Python code again, since whatever starts inside
of ``os.fork`` is still counted.

A descriptor of ours can be closed by the application and its number given to something else (``os.closerange``): before
every use it is compared with what it was (device, inode).
"""

import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

from dunnage import _hooks, _resources
from dunnage._hooks import LEVELS, Drain, Hook, MemoryPressure, News

try:
    import socket
except ImportError:  # a CPython without sockets, such as a browser's
    socket = None  # type: ignore[assignment]

if _resources.NATIVE:
    from dunnage._native import call_soon
else:

    def call_soon(function: Callable[[], bool]) -> bool:
        del function
        return False


_MOST_BYTES = 64 << 10
_FOREVER_MS = 1 << 53
_CONNECT_SECONDS = 1.0
_JOIN_SECONDS = 5.0
_GONE_SECONDS = 1.0

_log = logging.getLogger("dunnage")


class Listener:
    """A thread that waits for news and tells it; it can be stopped and started again."""

    name = "dunnage-hooks"

    def __init__(self) -> None:
        self._state = threading.Lock()
        self._telling = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._tid = 0
        self._untold: list[News] = []

    def wait(self) -> "list[News] | None":
        """Blocks until there is news; ``None`` at the end, or when it was interrupted."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Makes :meth:`wait` return in its thread."""
        raise NotImplementedError

    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Starts the thread if it is not there; where the system refuses one, the next registration tries again."""
        with self._state:
            if self.is_running():
                return
            self._stopping = False
            # daemonic: it must not keep the application from ending
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._thread = None
            _log.debug("no thread for hooks: %s", error)

    def pause(self) -> bool:
        """Ends the thread and waits for it, unless it is in a hook of the application: then it is left alone."""
        with self._state:
            if self._telling:
                return False
            self._stopping = True
        self._end()
        return True

    def stop(self) -> None:
        """Ends the thread, at once or after the hook that it is in."""
        with self._state:
            self._stopping = True
            telling = self._telling
        if telling:
            self.interrupt()
        else:
            self._end()

    def _end(self) -> None:
        thread = self._thread
        if thread is None:
            return
        self.interrupt()
        thread.join(_JOIN_SECONDS)
        if not thread.is_alive():
            _await_end(self._tid)
            self._thread = None

    def forget(self) -> None:
        """In the child of a fork, where the thread is not."""
        self._state = threading.Lock()
        self._telling = self._stopping = False
        self._thread = None
        self._untold = []  # the parent's

    def _run(self) -> None:
        self._tid = threading.get_native_id()
        while (news := self._untold or self.wait()) is not None:
            with self._state:
                self._untold = news if self._stopping else []
                if self._stopping:
                    return
                self._telling = True
            for one in news:
                _hooks.tell(one)
            with self._state:
                self._telling = False


class SupervisorListener(Listener):
    """Subscribed to the supervisor."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._socket: socket.socket | None = None
        self._identity: tuple[int, int] | None = None
        self._gate = threading.Lock()

    def wait(self) -> list[News] | None:
        if self._socket is None and not self._connect():
            return None
        try:
            packet = self._socket.recv(_MOST_BYTES) if self._socket and self._is_ours() else b""
        except OSError:
            packet = b""
        if packet:
            return list(parse(packet))
        self._disconnect()
        return None

    def interrupt(self) -> None:
        with self._gate:
            if self._socket is not None and self._is_ours():
                # wakes a blocked recv, which closing would not
                _hang_up(self._socket)

    def forget(self) -> None:
        super().forget()
        self._gate = threading.Lock()
        self._disconnect()

    def _connect(self) -> bool:
        packets = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            packets.settimeout(_CONNECT_SECONDS)
            packets.connect(self._path)
            packets.send(json.dumps({"op": "subscribe", "to": ["drain", "pressure"]}).encode())
            packets.settimeout(None)
        except OSError as error:
            packets.close()
            _log.debug("no news from the supervisor: %s: %s", self._path, error)
            return False
        with self._gate:
            self._socket, self._identity = packets, _identity(packets.fileno())
            if self._stopping:
                _hang_up(packets)
        return True

    def _disconnect(self) -> None:
        with self._gate:
            packets, self._socket = self._socket, None
            if packets is None:
                return
            if _identity(packets.fileno()) == self._identity:
                packets.close()
            else:
                # the number belongs to the application now
                packets.detach()

    def _is_ours(self) -> bool:
        return self._socket is not None and _identity(self._socket.fileno()) == self._identity


class _LateNews(Listener):
    """Tells one hook what came before it was registered."""

    def __init__(self, hook: Hook[Any], news: News) -> None:
        super().__init__()
        self._left = deque([(hook, news)])

    def wait(self) -> list[News] | None:
        while self._left:
            hook, news = self._left.popleft()
            hook.deliver(news)
        return None

    def interrupt(self) -> None:
        pass


_lock = threading.Lock()
_listeners: list[Listener] = []
_supervisor: SupervisorListener | None = None
_at_fork_is_registered = False
_stopped: list[Listener] = []
_forking: tuple[int, FrameType, int] | None = None


def parse(packet: bytes) -> "deque[News]":
    """The news in a packet of the supervisor; what we do not know is passed over."""
    found: deque[News] = deque()
    try:
        said = json.loads(packet)
    except (ValueError, RecursionError):
        return found
    if not isinstance(said, dict):
        return found
    signal, left, level = said.get("signal"), said.get("deadline_ms"), said.get("level")
    if said.get("op") == "drain" and isinstance(signal, str):
        seconds = min(left, _FOREVER_MS) / 1000 if isinstance(left, int) else None
        found.append(Drain(signal[:16], seconds))
    elif said.get("op") == "pressure" and level in LEVELS:
        found.append(MemoryPressure(level))
    elif said.get("op") == "error":
        _log.debug("the supervisor says: %s", str(said.get("message"))[:200])
    return found


def listen() -> None:
    """Sees to it that the supervisor is listened to, if there is one."""
    global _supervisor
    path = os.environ.get("DUNNAGE_SOCKET")
    if not path or not hasattr(socket, "SOCK_SEQPACKET"):
        return
    with _lock:
        if _supervisor is None:
            _supervisor = SupervisorListener(path)
            _listeners.append(_supervisor)
    add(_supervisor)


def tell_later(hook: Hook[Any], news: News) -> None:
    """Tells one hook, in a thread of ours."""
    _LateNews(hook, news).start()


def add(listener: Listener) -> None:
    """Starts a listener, and from now on again after each fork."""
    global _at_fork_is_registered
    with _lock:
        if listener not in _listeners:
            _listeners.append(listener)
        if not _at_fork_is_registered and hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
            _at_fork_is_registered = True
    listener.start()


def remove(listener: Listener) -> None:
    """Stops a listener for good."""
    with _lock:
        if listener in _listeners:
            _listeners.remove(listener)
    listener.stop()


def _before_fork() -> None:
    for listener in tuple(_listeners):
        if listener.is_running() and listener.pause():
            _stopped.append(listener)


def _after_in_parent() -> None:
    if _stopped:
        _resume_after_fork()


def _after_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _hooks.begin_child()
    for listener in _listeners:
        listener.forget()
    # those that were in a hook while another thread forked, too
    _stopped[:] = _listeners
    if _stopped:
        _resume_after_fork()


def _resume_after_fork() -> None:
    global _forking
    # 0: this function, 1: the hook of the fork, 2: who called os.fork
    caller = sys._getframe(2)
    _forking = (threading.get_ident(), caller, caller.f_lasti)
    if not call_soon(_resume):
        _forking = None  # the next registration starts them


def _resume() -> bool:
    """Starts what was stopped; True to be called again, while a hook of the fork that comes after ours runs."""
    global _forking
    if _forking is not None and _is_inside(*_forking):
        return True
    _forking = None
    while _stopped:
        listener = _stopped.pop()
        if listener in _listeners:
            listener.start()
    return False


def _is_inside(thread: int, caller: FrameType, instruction: int) -> bool:
    """Whether the thread is still within the call that the frame was about to make.

    All Python code that runs within ``os.fork`` stands in functions that it calls, above the caller; the interpreter
    may call us before the caller has gone on to its next instruction.
    """
    is_here = thread == threading.get_ident()
    frame = sys._getframe(2) if is_here else sys._current_frames().get(thread)
    if frame is caller:
        return False
    while frame is not None:
        if frame is caller:
            return frame.f_lasti == instruction
        frame = frame.f_back
    return False


def _hang_up(packets: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other end was faster
        packets.shutdown(socket.SHUT_RDWR)


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _await_end(tid: int) -> None:
    """Waits until the kernel has forgotten a thread that has ended: a fork would still count it."""
    if not tid or tid in (threading.get_native_id(), os.getpid()):
        return
    give_up = time.monotonic() + _GONE_SECONDS
    while time.monotonic() < give_up:
        try:
            os.sched_getaffinity(tid)
        except OSError:
            return
        os.sched_yield()
