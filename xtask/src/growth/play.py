"""One run: a command as PID 1 of a PID namespace in a memory cgroup (v1), until it ends or the kernel runs out of memory.

usage: play.py FOLDER, where FOLDER/run.json holds {"group": NAME, "limit": BYTES, "cpus": N or null, "group_kill": BOOL,
"sample": BOOL, "patience": SECONDS, "command": [WORDS], "env": {}}. Writes FOLDER/played.json.

cgroup v1 kills one process, kubelet's v2 all of them. With "group_kill" the second is played here: the kernel's own
notice of an out-of-memory comes before its kill, this process waits for it with the highest priority, and then ends the
whole namespace, the supervisor included. What is in the record after that was there before the kill.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time

MOUNT = "/sys/fs/cgroup"
ENTER = 'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"'
UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


class Groups:
    def __init__(self, run):
        self.memory = f"{MOUNT}/memory/{run['group']}"
        self.cpu = f"{MOUNT}/cpu/{run['group']}"
        os.makedirs(self.memory)
        os.makedirs(self.cpu)
        write(f"{self.memory}/memory.limit_in_bytes", str(run["limit"]))
        if run["cpus"]:
            write(f"{self.cpu}/cpu.cfs_quota_us", str(int(run["cpus"] * 100_000)))

    def notice(self):
        """A descriptor that becomes readable when the group is out of memory."""
        notice = os.eventfd(0, os.EFD_CLOEXEC)
        control = os.open(f"{self.memory}/memory.oom_control", os.O_RDONLY)
        write(f"{self.memory}/cgroup.event_control", f"{notice} {control}")
        return notice

    def counters(self):
        control = dict(line.split() for line in read(f"{self.memory}/memory.oom_control").splitlines())
        return {
            "oom_kills": int(control.get("oom_kill", 0)),
            "limit_hits": int(read(f"{self.memory}/memory.failcnt") or 0),
            "peak": int(read(f"{self.memory}/memory.max_usage_in_bytes") or 0),
            "throttled": read(f"{self.cpu}/cpu.stat"),
        }

    def held(self):
        """Bytes that are not page cache."""
        usage = int(read(f"{self.memory}/memory.usage_in_bytes"))
        stat = dict(line.split() for line in read(f"{self.memory}/memory.stat").splitlines())
        return usage - int(stat["total_inactive_file"]) - int(stat["total_active_file"])

    def remove(self):
        for folder in [self.memory, self.cpu]:
            for _ in range(200):
                for pid in read(f"{folder}/cgroup.procs").split():
                    end(int(pid))
                try:
                    os.rmdir(folder)
                    break
                except OSError:
                    time.sleep(0.02)


def end(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def watch(child, notice, run, groups):
    """Until the child has ended; what happened when, by the wall clock, which the record's times are by."""
    began, out_of_memory = time.time(), None
    pidfd = os.pidfd_open(child.pid)
    outputs = {child.stdout.fileno(): b"", child.stderr.fileno(): b""}
    poll = select.poll()
    for descriptor in [notice, pidfd, *outputs]:
        poll.register(descriptor, select.POLLIN)
    first = None
    open_outputs = set(outputs)
    ended, most_held = False, 0
    while not ended or open_outputs:
        if run["sample"]:
            most_held = max(most_held, groups.held())
        if first is None:
            children = read(f"/proc/{child.pid}/task/{child.pid}/children").split()
            first = int(children[0]) if children else None
        left = began + run["patience"] - time.time()
        is_urgent = first is None or run["sample"]
        events = poll.poll(max(0, 5 if is_urgent else left * 1000))
        if left <= 0:
            child.kill()
            break
        for descriptor, _ in events:
            if descriptor == notice:
                os.read(notice, 8)
                if run["group_kill"] and first:
                    end(first)
                out_of_memory = out_of_memory or time.time()
            elif descriptor == pidfd:
                ended = True
                poll.unregister(pidfd)
            else:
                part = os.read(descriptor, 65536)
                outputs[descriptor] += part
                if not part:
                    poll.unregister(descriptor)
                    open_outputs.discard(descriptor)
    code = child.wait()
    texts = [text.decode(errors="replace") for text in outputs.values()]
    return {
        "code": code if code >= 0 else 128 - code,
        "began": began,
        "out_of_memory": out_of_memory,
        "ended": time.time(),
        "in_time": ended,
        "most_held": most_held,
        "stdout": texts[0],
        "stderr": texts[1],
    }


def main():
    folder = sys.argv[1]
    run = json.loads(read(f"{folder}/run.json"))
    groups = Groups(run)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(50))
    except OSError:
        pass
    try:
        notice = groups.notice()
        words = ["sh", "-c", ENTER, "sh", groups.memory, groups.cpu, "--", *UNSHARE, *run["command"]]
        with subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=run["env"]
        ) as child:
            played = watch(child, notice, run, groups)
        played |= groups.counters()
    finally:
        groups.remove()
    write(f"{folder}/played.json", json.dumps(played))


main()
