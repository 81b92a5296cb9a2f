"""A batch in rounds: reads long records and keeps one in a hundred, then computes a table as large as they were.

What it needs at a time fits well. But a record that is kept holds the heap around it: what the others took does not go
back to the kernel by itself, and the table comes on top of it.
"""

ROUNDS = 3
RECORDS = 80_000
ROWS = 1_300_000

kept = []


def read_records(day):
    records = [f"{day} {number:01998d}" for number in range(RECORDS)]
    kept.extend(records[::100])


def compute_table(day):
    table = [[day * number / 3] for number in range(ROWS)]
    assert len(table) == ROWS


print("ready", flush=True)
for day in range(1, ROUNDS + 1):
    read_records(day)
    compute_table(day)
    print("round", flush=True)
