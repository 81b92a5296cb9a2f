"""A process pool whose owner dies of SIGTERM: its workers stay behind."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2)
    pool.submit(time.sleep, 600)
    pool.submit(time.sleep, 600)
    time.sleep(0.3)
    print("up", flush=True)
    time.sleep(600)
