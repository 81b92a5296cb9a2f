"""A batch: reads long records and keeps one in a hundred, then computes tables, each as large as the records were.

What it needs at a time fits well. But a record that is kept holds the heap around it: what the others took does not go
back to the kernel by itself, and the first table comes on top of it.
"""

import math

RECORDS = 80_000
TABLES = 3
ROWS = 1_300_000


def read_records():
    records = [f"{number:01998d}" for number in range(RECORDS)]
    return records[::100]


def compute_table(factor):
    table = []
    for number in range(ROWS):
        table.append([round(math.sqrt(factor * number), 2)])


print("ready", flush=True)
kept = read_records()
for number in range(TABLES):
    compute_table(number + 1)
    print("table", flush=True)
