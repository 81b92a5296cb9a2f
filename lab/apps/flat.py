"""Work that looks like pressure and is none. Each kind ends with 0 and the line `done` if nothing of its own was lost.

usage: flat.py KIND [--share PERCENT] [--threads N] [--seconds S] [--noise PERCENT] [--slowly PERCENT] [--folder FOLDER]

steady     fills the limit to --share, then touches all of it from N threads while use goes up and down by --noise
transient  goes to --share and back, three times
gc         fills the limit to --share, then makes rings that only the collector finds
alloc      fills the limit to --share, then makes and drops objects of all sizes
cache      fills the limit to --share with its own, and the rest with a file of FOLDER that it reads again and again
stream     the same with a file of twice the limit
"""

import argparse
import mmap
import os
import random
import threading
import time

import room

MEBIBYTE = 1 << 20
PAGE = mmap.PAGESIZE
LIMIT = room.limit()


class Block:
    """Private memory of its own, whose pages hold a number each; what an allocator keeps plays no part here."""

    def __init__(self, size, value=1):
        self.memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.pages = size // PAGE
        self.write(value)

    def write(self, value):
        for page in range(self.pages):
            self.memory[page * PAGE] = value
        self.value = value

    def check(self):
        for page in range(0, self.pages, 16):
            assert self.memory[page * PAGE] == self.value, "memory does not hold what was written to it"


said = []


def fill_to(share, slowly=None):
    """Blocks until the container holds that share of its limit; beyond 85 % so many per cent a second, if given."""
    blocks = []
    while (missing := LIMIT * share / 100 - room.held()) >= PAGE:
        blocks.append(Block(max(PAGE, min(MEBIBYTE, int(missing) // PAGE * PAGE))))
        if slowly and room.held() > LIMIT * 0.85:
            time.sleep(blocks[-1].pages * PAGE / (LIMIT * slowly / 100))
    if not said:
        said.append("filled")
        print("filled", flush=True)
    return blocks


def touch(blocks, is_filled, ends):
    # started before: a thread's own memory counts too
    is_filled.wait()
    value = 1
    while time.monotonic() < ends[0]:
        value = value % 200 + 1
        for block in blocks:
            block.write(value)
            block.check()
            time.sleep(0.002)


def steady(options, end):
    size = int(LIMIT * options.noise / 100) // PAGE * PAGE
    shares, is_filled, ends = [[] for _ in range(options.threads)], threading.Event(), [end]
    threads = [threading.Thread(target=touch, args=(share, is_filled, ends)) for share in shares]
    for thread in threads:
        thread.start()
    blocks = fill_to(options.share - options.noise, options.slowly)
    for number, block in enumerate(blocks):
        shares[number % options.threads].append(block)
    ends[0] = end = max(end, time.monotonic() + 3)
    is_filled.set()
    while time.monotonic() < end:
        more = [Block(part) for part in split(random.randrange(0, 2 * size + 1, PAGE))]
        time.sleep(0.02)
        for block in more:
            block.check()
            block.memory.close()
    for thread in threads:
        thread.join()
    return blocks


def split(size):
    return [min(MEBIBYTE, size - begin) for begin in range(0, size, MEBIBYTE)]


def transient(options, end):
    for _ in range(3):
        blocks = fill_to(options.share)
        time.sleep(0.2)
        for block in blocks:
            block.check()
            block.memory.close()
        time.sleep(0.5)
    return []


class Ring:
    def __init__(self, number):
        self.me = self
        self.load = bytes(1000)
        self.number = number


def collect_rings(options, end):
    blocks = fill_to(options.share)
    while time.monotonic() < end:
        # few at a time: what lives through two collections waits long for the third
        assert sum(Ring(number).number for number in range(2000)) == 1999 * 1000
    return blocks


def allocate(options, end):
    blocks = fill_to(options.share)
    chance = random.Random(1)
    kept = [b""] * 100
    while time.monotonic() < end:
        for _ in range(1000):
            kept[chance.randrange(100)] = bytes(int(2 ** chance.uniform(3, 16)))
    return blocks


def cache(options, end):
    """Hot: all of it fits, so it stays and is used again and again."""
    return read_file(options, end, LIMIT * (100 - options.share) / 100)


def stream(options, end):
    """More than fits: the limit is hit all the time, and what was read goes."""
    return read_file(options, end, 2 * LIMIT)


def read_file(options, end, size):
    blocks = fill_to(options.share)
    path = f"{options.folder}/read-{os.getpid()}"
    with open(path, "wb", buffering=0) as file:
        for number in range(int(size) // MEBIBYTE):
            file.write(bytes(MEBIBYTE))
            if number % 8 == 7:
                # what is not written yet cannot be given back at once
                os.fdatasync(file.fileno())
    while time.monotonic() < end:
        with open(path, "rb", buffering=0) as file:
            while file.read(MEBIBYTE):
                pass
    os.unlink(path)
    return blocks


KINDS = {"steady": steady, "transient": transient, "gc": collect_rings, "alloc": allocate, "cache": cache, "stream": stream}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--share", type=float, default=80)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--noise", type=float, default=1)
    parser.add_argument("--slowly", type=float, help="steady fills the last part by so many per cent a second")
    parser.add_argument("--folder", default="/tmp")
    options = parser.parse_args()
    print("up", flush=True)
    for block in KINDS[options.kind](options, time.monotonic() + options.seconds):
        block.check()
    print("done", flush=True)
