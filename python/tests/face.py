"""Starts a command on a machine that looks as if it had 64 CPUs, whatever it has.

usage: face.py COMMAND...; as root.

The kernel's lists of CPUs, the cpuset's and the command's own `/proc/PID/status` are covered by files of our own in a
mount namespace, and `sched_getaffinity` is answered by us (seccomp's user notification) with a mask of 64. So everyone
counts 64: those that ask for the machine, and those that ask for the affinity, which a bind mount alone does not
change. Its own CPU cgroup stands at the mount's top, as in a container: some libraries look nowhere else.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile

CPUS = 64
LISTS = ("online", "possible", "present")
NEW_NS, PRIVATE, BIND, MOVE, DETACH = 0x20000, 0x40000 | 0x4000, 0x1000, 0x2000, 2
NO_NEW_PRIVS, SET_MODE_FILTER, NEW_LISTENER = 38, 1, 8
RECEIVE, SEND = 0xC0502100, 0xC0182101
USER_NOTIFICATION, ALLOW = 0x7FC00000, 0x7FFF0000
# (seccomp, sched_getaffinity)
CALLS = {"x86_64": (317, 204), "aarch64": (277, 123)}

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def cover(path: str, text: str) -> None:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        # the mount keeps the file after its name is gone
        check(libc.mount(file.name.encode(), path.encode(), None, BIND, None))


def cover_lists() -> None:
    check(libc.unshare(NEW_NS))
    check(libc.mount(None, b"/", None, PRIVATE, None))
    for name in LISTS:
        cover(f"/sys/devices/system/cpu/{name}", f"0-{CPUS - 1}\n")
    with open("/proc/self/cgroup") as file:
        own = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in own:
        if "cpu" in controllers.split(",") and path != "/":
            top = os.path.realpath("/sys/fs/cgroup/cpu").encode()
            with tempfile.TemporaryDirectory() as aside:
                check(libc.mount(top + path.encode(), aside.encode(), None, BIND, None))
                # not covered: a container has no second mount, and some take the first that is listed
                check(libc.umount2(top, DETACH))
                check(libc.mount(aside.encode(), top, None, MOVE, None))
        if "cpuset" in controllers.split(","):
            for name in ("cpuset.cpus", "cpuset.effective_cpus"):
                for folder in {"", path.lstrip("/")}:
                    file_name = os.path.join("/sys/fs/cgroup/cpuset", folder, name)
                    if os.path.exists(file_name):
                        cover(file_name, f"0-{CPUS - 1}\n")


def cover_status() -> None:
    """Of this process, which stays the same when it becomes the command."""
    path = f"/proc/{os.getpid()}/status"
    with open(path) as file:
        text = file.read()
    text = re.sub(r"(?m)^Cpus_allowed:.*$", "Cpus_allowed:\t" + ",".join(["ffffffff"] * (CPUS // 32)), text)
    cover(path, re.sub(r"(?m)^Cpus_allowed_list:.*$", f"Cpus_allowed_list:\t0-{CPUS - 1}", text))


def filter_affinity() -> int:
    """From here on the call is answered by whoever reads the descriptor that this returns."""
    seccomp, affinity = CALLS[platform.machine()]
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the number of the call
            (0x15, 0, 1, affinity),  # skip one if it is another
            (0x06, 0, 0, USER_NOTIFICATION),
            (0x06, 0, 0, ALLOW),
        )
    )
    buffer = ctypes.create_string_buffer(program)
    filters = struct.pack("HL", len(program) // 8, ctypes.addressof(buffer))
    check(libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0))
    return check(libc.syscall(seccomp, SET_MODE_FILTER, NEW_LISTENER, filters))


def answer(listener: int) -> None:
    """Until nobody is left who could ask."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        if poll.poll()[0][1] & select.POLLHUP:
            return
        question = bytearray(80)
        try:
            fcntl.ioctl(listener, RECEIVE, question)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                continue
            raise
        number, asker = struct.unpack_from("QI", question)
        length, address = struct.unpack_from("QQ", question, 16 + 16 + 8)
        value = CPUS // 8
        failure = 0
        try:
            if length < value:
                failure = -errno.EINVAL
            else:
                with open(f"/proc/{asker}/mem", "wb", buffering=0) as memory:
                    memory.seek(address)
                    memory.write(b"\xff" * value)
        except OSError:
            failure = -errno.EFAULT
        reply = struct.pack("QqiI", number, 0 if failure else value, failure, 0)
        try:
            fcntl.ioctl(listener, SEND, reply)
        except OSError as error:
            if error.errno != errno.ENOENT:  # whoever asked is gone
                raise


def main() -> int:
    cover_lists()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        cover_status()
        socket.send_fds(theirs, [b"."], [filter_affinity()])
        theirs.close()
        os.execvp(sys.argv[1], sys.argv[1:])
    theirs.close()
    _, (listener,), *_ = socket.recv_fds(ours, 1, 1)
    answer(listener)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    subprocess.run(["true"], check=True)  # so that what a first fork loads is loaded before the filter
    sys.exit(main())
