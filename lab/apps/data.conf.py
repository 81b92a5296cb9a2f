"""As many workers as there are CPUs, as many a configuration has it; each notes that it is ready."""

import multiprocessing
import os

workers = multiprocessing.cpu_count()
preload_app = True
worker_tmp_dir = "/dev/shm"
timeout = 0
bind = f"unix:{os.environ['LAB_OUT']}/socket"


def post_worker_init(worker):
    open(f"{os.environ['LAB_OUT']}/worker-{worker.age}", "w").close()
