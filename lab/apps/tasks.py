"""A celery application over a folder as its broker."""

import os
import time

import room
from celery import Celery
from present import note_agent

out = os.environ["LAB_OUT"]
for name in ("queue", "control"):
    os.makedirs(f"{out}/{name}", exist_ok=True)
app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": f"{out}/queue",
    "data_folder_out": f"{out}/queue",
    "control_folder": f"{out}/control",
}
app.conf.worker_enable_remote_control = False


@app.task(name="work")
def work():
    open(f"{out}/in-flight", "w").close()
    time.sleep(1)
    with open(f"{out}/work", "w") as file:
        file.write("finished")


@app.task(name="agent")
def agent():
    note_agent()


@app.task(name="hoard")
def hoard():
    """Fills the container to 75 % of its limit, then a seventieth of it a second, and gives it back."""
    kept = []
    while room.held() < room.limit() * 0.75:
        kept.append(b"\1" * (1 << 20))
    while room.held() < room.limit() * 0.95:
        kept.append(b"\1" * (room.limit() >> 9))
        time.sleep(0.15)
    kept.clear()
    with open(f"{out}/hoard", "w") as file:
        file.write("finished")
