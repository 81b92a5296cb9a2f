"""enter.py FOLDER... -- COMMAND...: enters the cgroups, then becomes the command, with signals as a container has them."""

import os
import signal
import sys

separator = sys.argv.index("--")
for folder in sys.argv[1:separator]:
    with open(f"{folder}/cgroup.procs", "w") as file:
        file.write("0")
# the demo blocks what would end it, and a child inherits that; Python itself ignores two
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
command = sys.argv[separator + 1 :]
os.execvp(command[0], command)
