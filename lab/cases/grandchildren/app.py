"""Two children, one of them in a session of its own, that work on for a second after this process has ended."""

import signal
import subprocess
import sys
import time

out = sys.argv[1]
WORK = "import sys, time; print(flush=True); sys.stdin.read(); time.sleep(1); open(sys.argv[1], 'w').write('finished')"
children = [
    subprocess.Popen([sys.executable, "-c", WORK, f"{out}/{name}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=own)
    for name, own in (("same-session", False), ("own-session", True))
]
for child in children:
    child.stdout.readline()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up", flush=True)
while True:
    time.sleep(60)
