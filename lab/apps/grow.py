"""Takes memory in one of several ways until the kernel says no.

usage: grow.py WAY [--threads N] [--beside N] [--folder FOLDER]

array, chunks, ints, dicts, concat and json are ways in which Python programs grow; `concat` needs pandas, `array` and
`chunks` fill with NumPy where it is there, whose memory comes in huge pages, and with bytes where it is not. `tmpfs` writes
files in FOLDER. Each way is a function of its own, so that a traceback can be told from another by its name.
"""

import argparse
import itertools
import json
import threading

try:
    import numpy
except ImportError:
    numpy = None


def fill(mebibytes):
    """That much memory with a value in every page, in one call."""
    if numpy is None:
        return b"\1" * (mebibytes << 20)
    return numpy.ones(mebibytes << 17)


def grow_array(_):
    return fill(8 << 10)


def grow_chunks(_):
    hoard = []
    while True:
        hoard.append(fill(16))


def grow_ints(_):
    hoard = []
    for number in itertools.count(1 << 40):
        hoard.append(number)


def grow_dicts(_):
    hoard = []
    for number in itertools.count():
        hoard.append({"number": number, "text": str(number), "half": number / 2})


def grow_concat(_):
    frame = pandas.DataFrame({"a": numpy.arange(1 << 17), "b": numpy.arange(1 << 17) / 2})
    while True:
        frame = pandas.concat([frame, frame])


def grow_json(_):
    text = json.dumps([{"id": number, "name": f"name {number}", "tags": ["a", "b"]} for number in range(40_000)])
    hoard = []
    while True:
        hoard.append(json.loads(text))


def grow_tmpfs(folder):
    block = b"\1" * (1 << 20)
    with open(f"{folder}/grows-{threading.get_ident()}", "wb", buffering=0) as file:
        while True:
            file.write(block)


def compute():
    """What other threads do meanwhile: Python, a C call that holds the GIL, waiting."""
    for number in itertools.count():
        sum(range(2000))
        sorted(str(number * factor) for factor in range(200))
        threading.Event().wait(0.005)


WAYS = {name.removeprefix("grow_"): way for name, way in globals().copy().items() if name.startswith("grow_")}

parser = argparse.ArgumentParser()
parser.add_argument("way", choices=WAYS)
parser.add_argument("--threads", type=int, default=1, help="so many grow")
parser.add_argument("--beside", type=int, default=0, help="so many more compute")
parser.add_argument("--folder", default="/dev/shm")
options = parser.parse_args()
if options.way == "concat":
    import pandas

for _ in range(options.beside):
    threading.Thread(target=compute, daemon=True).start()
print("up", flush=True)
others = [threading.Thread(target=WAYS[options.way], args=[options.folder]) for _ in range(options.threads - 1)]
for other in others:
    other.start()
WAYS[options.way](options.folder)
