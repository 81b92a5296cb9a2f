"""An application with two workers that need 1 s of cleanup; it tells them to stop and ends at once itself."""

import os
import signal
import subprocess
import sys
import time


def say(line):
    # one write: print may take two (PYTHONUNBUFFERED), and three processes share this pipe
    os.write(1, line)


def work():
    told = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    say(b"ready\n")
    while not told:
        time.sleep(0.01)
    time.sleep(1)
    say(b"finished\n")


def main():
    # one worker stays in the application's session, the other has its own, as after setsid or a double fork
    command = [sys.executable, __file__, "worker"]
    workers = [subprocess.Popen(command, start_new_session=own) for own in (False, True)]

    def stop(number, frame):
        for worker in workers:
            worker.terminate()
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    say(b"ready\n")
    while True:
        time.sleep(60)


work() if sys.argv[1:] == ["worker"] else main()
