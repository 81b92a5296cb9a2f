"""Forks, spawns, warns and starts children, and prints what it sees of itself: the same with the agent and without."""

import multiprocessing
import os
import subprocess
import sys
import warnings


def work(number):
    print("work", number, sys.path[1:], flush=True)
    return number * number


def main():
    print(sys.path, sys.flags, sys.warnoptions, len(sys.meta_path), sorted(sys.path_importer_cache))
    print(sorted(set(sys.modules) - {"_dunnage_agent", "atexit", "gc", "mmap"}), flush=True)
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    if os.fork() == 0:
        os._exit(3)
    print(os.wait()[1])
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(method, pool.map(work, range(3)), flush=True)
    process = multiprocessing.Process(target=sys.exit, args=(5,))
    process.start()
    process.join()
    print(process.exitcode, flush=True)
    child = [sys.executable, "-c", "import sys; print(sys.path); {}['no']"]
    print(subprocess.run(child, check=False).returncode, flush=True)
    sys.exit("the end")


if __name__ == "__main__":
    main()
