"""Notes each worker that is ready: gunicorn loses a SIGTERM that meets a worker before that."""

import os


def post_worker_init(worker):
    open(f"{os.environ['LAB_OUT']}/worker-{worker.age}", "w").close()
