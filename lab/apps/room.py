"""How much memory the container holds, from inside, on either version of cgroups."""

import os


def _folder():
    """The memory controller's folder: the whole path where the machine's namespace shows it, else the mount itself."""
    v1 = v2 = ""
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controllers == "memory":
                v1 = path
            elif not controllers:
                v2 = path
    places = [f"/sys/fs/cgroup/memory{v1}", "/sys/fs/cgroup/memory", f"/sys/fs/cgroup{v2}", "/sys/fs/cgroup"]
    for place in places:
        for name in ["memory.limit_in_bytes", "memory.max"]:
            if os.path.exists(f"{place}/{name}"):
                return place, name == "memory.max"
    raise SystemExit("no memory controller")


FOLDER, IS_V2 = _folder()


def _number(name):
    with open(f"{FOLDER}/{name}") as file:
        return int(file.read())


def limit():
    return _number("memory.max" if IS_V2 else "memory.limit_in_bytes")


def held():
    """Bytes that are not page cache of files."""
    usage = _number("memory.current" if IS_V2 else "memory.usage_in_bytes")
    total = "" if IS_V2 else "total_"
    with open(f"{FOLDER}/memory.stat") as file:
        stat = dict(line.split() for line in file)
    return usage - int(stat[f"{total}inactive_file"]) - int(stat[f"{total}active_file"])
