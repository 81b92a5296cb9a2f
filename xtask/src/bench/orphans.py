"""Makes orphans below an init and prints how many zombies it leaves, and the seconds until they were gone.

The orphans are subshells of sh, which are small, so that the time is the reaper's rather than that of taking down an
interpreter 3,000 times.
"""

import os
import subprocess
import sys
import time

PATIENCE_S = 5


def count_processes():
    return sum(name.isdigit() for name in os.listdir("/proc"))


def count_zombies():
    zombies = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    zombies += file.read().rpartition(b")")[2].split()[0] == b"Z"
            except OSError:
                pass
    return zombies


def make(count, what, **kwargs):
    # the inner background process outlives the subshell that started it: its parent is gone
    script = f"i=0; while [ $i -lt {count} ]; do ( {what} & ); i=$((i+1)); done"
    subprocess.run(["sh", "-c", script], check=True, **kwargs)


def wait_until_gone(base):
    """Waits while the number of processes falls."""
    lowest, since = count_processes(), time.monotonic()
    while lowest > base and time.monotonic() - since < PATIENCE_S:
        time.sleep(0.001)
        now = count_processes()
        if now < lowest:
            lowest, since = now, time.monotonic()
    return time.monotonic()


def main(way, count):
    base = count_processes()
    if way == "one-by-one":
        begin = time.monotonic()
        make(count, ":")
    else:
        read_end, write_end = os.pipe()
        make(count, f"read _ <&{read_end}", pass_fds=[read_end])
        alive = count_processes() - base
        if alive != count:
            sys.exit(f"{alive} orphans instead of {count}")
        begin = time.monotonic()
        os.close(write_end)
    end = wait_until_gone(base)
    print(count_zombies(), end - begin)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
