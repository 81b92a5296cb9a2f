"""Workers of one kind, of which the last rises to the brink of the limit and comes back. `all work` is the last line if all
of them still answer then.

usage: brink.py [--workers N] [--open FILE]
"""

import argparse
import mmap
import os
import time

import room

MEBIBYTE = 1 << 20

parser = argparse.ArgumentParser()
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--open", help="a file that the worker that rises holds open")
options = parser.parse_args()


def rise(share, pause, blocks):
    """Private memory until the container holds that share of its limit."""
    while room.held() < room.limit() * share:
        block = mmap.mmap(-1, MEBIBYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for page in range(0, MEBIBYTE, mmap.PAGESIZE):
            block[page] = 1
        blocks.append(block)
        time.sleep(pause)


def work(requests, answers, rises):
    os.read(requests, 1)
    if rises:
        file = open(options.open) if options.open else None
        blocks = []
        # full and at rest: that is written down, and six seconds later it is no news
        rise(0.93, 0.005, blocks)
        time.sleep(7)
        rise(0.985, 0.004, blocks)
        time.sleep(0.2)
        del blocks, file
    os.write(answers, b"x")
    os.read(requests, 1)
    os.write(answers, b"x")
    os._exit(0)


workers = []
for number in range(options.workers):
    requests, answers = os.pipe(), os.pipe()
    if os.fork() == 0:
        work(requests[0], answers[1], number == options.workers - 1)
    workers.append((requests[1], answers[0]))
print("up", flush=True)
for line in ("peak", "all work"):
    for requests, _ in workers:
        os.write(requests, b"x")
    for _, answers in workers:
        assert os.read(answers, 1) == b"x"
    print(line, flush=True)
for _ in workers:
    _, status = os.wait()
    assert status == 0, status
