"""Greenlets, gevent's pool of threads, a child and the standard library's executor, all patched."""

from gevent import monkey

monkey.patch_all()

import subprocess  # noqa: E402
import sys  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402

import gevent  # noqa: E402

print(sys.modules["_dunnage_agent"].door, flush=True)
jobs = [gevent.spawn(lambda number=number: number) for number in range(100)]
gevent.joinall(jobs)
print("greenlets", sum(job.value for job in jobs), flush=True)
print("pool", gevent.get_hub().threadpool.apply(pow, (5, 2)), flush=True)
child = [sys.executable, "-c", "import sys; sys.exit(7)"]
print("child", subprocess.run(child, check=False).returncode, flush=True)
with ThreadPoolExecutor() as executor:
    print("executor", executor.submit(pow, 3, 2).result(), flush=True)
