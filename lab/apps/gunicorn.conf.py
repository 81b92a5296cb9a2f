"""Notes each worker that is ready: gunicorn loses a SIGTERM that meets a worker before that."""

import os

# on a slow machine a worker may need longer than the usual 30 s to be heard of, and would be killed
timeout = 300


def post_worker_init(worker):
    open(f"{os.environ['LAB_OUT']}/worker-{worker.age}", "w").close()
