"""gunicorn with four threads; the client, in this process, stands outside the quota."""

import http.client
import os
import subprocess
import sys
import threading
import time

from harness import Play

PORT = 18763


def ask(play, path, every, offset):
    play.going.wait()
    due = play.started + offset
    while due < play.end:
        time.sleep(max(0.0, due - time.monotonic()))
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        connection.request("GET", path)
        connection.getresponse().read()
        connection.close()
        due += every


def main():
    play = Play()
    path = play.log.path
    environment = {**os.environ, "TRUTH_LOG": path}
    words = f"-m gunicorn --bind 127.0.0.1:{PORT} --worker-class gthread --threads 4 --log-level error"
    here = os.path.dirname(os.path.abspath(__file__))
    server = subprocess.Popen(
        [sys.executable, *words.split(), "gthread_app:application"], env=environment, cwd=here
    )
    while not os.path.exists(f"{path}.ready"):
        time.sleep(0.05)
        if server.poll() is not None:
            sys.exit("gunicorn ended")
    with open(os.environ["TRUTH_OUTSIDE"], "w") as group:
        group.write(str(os.getpid()))
    plan = [("/", 0.1, 0.025 * number) for number in range(4)] + [("/long", 1.0, 0.5)]
    clients = [threading.Thread(target=ask, args=(play, *one)) for one in plan]
    for client in clients:
        client.start()
    play.wait_for_start(server.pid)
    play.going.set()
    for client in clients:
        client.join()
    play.wait_for_end()
    server.terminate()
    server.wait()


if __name__ == "__main__":
    main()
