"""Notes in a file by which door the agent came into this process, and how many CPUs it counts."""

import os
import sys


def note_agent():
    agent = sys.modules.get("_dunnage_agent")
    path = os.environ["LAB_OUT"] + "/agent"
    # whole or not there: somebody waits for the file
    with open(path + ".new", "w") as file:
        file.write(f"{getattr(agent, 'door', None)} {os.cpu_count()}")
    os.replace(path + ".new", path)
