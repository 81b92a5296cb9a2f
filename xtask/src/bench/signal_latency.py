"""From kill(2) on PID 1 to the return of sigwait(3) in its child, in nanoseconds: a line for each init."""

import os
import signal
import struct
import subprocess
import sys
import time

SIGNAL = signal.SIGUSR1
# an init that has just worked is still warm: let it fall asleep
PAUSE_S = 0.003
PATIENCE_S = 10


def receive(fd):
    signal.pthread_sigmask(signal.SIG_BLOCK, [SIGNAL])
    os.write(fd, struct.pack("q", 0))
    while True:
        signal.sigwait([SIGNAL])
        os.write(fd, struct.pack("q", time.monotonic_ns()))


def first_child(pid):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = file.read().split()
        if children:
            return int(children[0])
        time.sleep(0.01)
    sys.exit(f"process {pid} has no child")


class Pair:
    """An init as PID 1 and a receiver below it."""

    def __init__(self, prefix):
        self.read_end, write_end = os.pipe()
        words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
        words += [*prefix, sys.executable, __file__, "receive", str(write_end)]
        self.unshare = subprocess.Popen(words, pass_fds=[write_end], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write_end)
        self.read_time()
        self.pid = first_child(self.unshare.pid)

    def read_time(self):
        data = os.read(self.read_end, 8)
        if len(data) != 8:
            sys.exit("a receiver ended before its signal")
        return struct.unpack("q", data)[0]

    def measure(self):
        time.sleep(PAUSE_S)
        begin = time.monotonic_ns()
        os.kill(self.pid, SIGNAL)
        return self.read_time() - begin


def send(count, prefixes):
    pairs = [Pair(prefix.split("\n") if prefix else []) for prefix in prefixes]
    for pair in pairs:
        pair.measure()
    latencies = [[] for _ in pairs]
    for turn in range(count):
        for step in range(len(pairs)):
            index = (turn + step) % len(pairs)
            latencies[index].append(pairs[index].measure())
    for row in latencies:
        print(*row)
    for pair in pairs:
        pair.unshare.kill()
        pair.unshare.wait()


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(int(sys.argv[2]))
    else:
        send(int(sys.argv[2]), sys.argv[3:])
