"""Asks `dunnage run` how it goes, as kubelet and Prometheus do, and again and again until it says that it drains."""

import signal
import time
import urllib.error
import urllib.request

ADDRESS = "http://127.0.0.1:19393"


def ask(page):
    """Status and text of a page; before anybody listens it is asked again."""
    while True:
        try:
            with urllib.request.urlopen(ADDRESS + page, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError:
            time.sleep(0.05)


def main():
    for line in ask("/metrics")[1].splitlines():
        if line.startswith(("dunnage_memory_limit_bytes ", "dunnage_cpu_limit_cores ")):
            print(line)
    print("live", ask("/livez")[0])
    # the program may be asked before its execve is known of
    while ask("/readyz")[0] != 200:
        time.sleep(0.05)
    print("ready", flush=True)
    while ask("/readyz")[0] == 200:
        time.sleep(0.05)
    print("not ready:", ask("/readyz")[1].strip(), "live", ask("/livez")[0], flush=True)
    signal.pause()


main()
