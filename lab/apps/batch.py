"""A batch over a process pool: on SIGTERM it takes no new work, finishes what is in flight and leaves with 3."""

import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor

out = sys.argv[1]


def part(number):
    open(f"{out}/in-flight", "w").close()
    time.sleep(0.5)
    with open(f"{out}/part-{number}", "w") as file:
        file.write("finished")


def ignore_term():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


if __name__ == "__main__":
    is_told = False

    def told(*_):
        global is_told
        is_told = True

    signal.signal(signal.SIGTERM, told)
    print("up", flush=True)
    with ProcessPoolExecutor(2, initializer=ignore_term) as pool:
        number = 0
        while not is_told:
            for future in [pool.submit(part, number + index) for index in range(2)]:
                future.result()
            number += 2
    print("parts", "some" if number else "none", flush=True)
    sys.exit(3)
