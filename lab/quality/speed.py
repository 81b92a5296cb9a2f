#!/usr/bin/env python3
"""What `dunnage check` and other tools cost on the same files that this project did not write.

    lab/quality/speed.py --program dunnage-check [--hadolint FILE] [--checkov FILE] [--trivy FILE] CORPUS...

Takes the Dockerfiles, Kubernetes manifests and Compose files below each CORPUS (DIR/github/OWNER/NAME, DIR/pypi/NAME) into
one folder, runs each tool that is named over it, one after the other and so often, and prints for each the medians of its CPU
time (user and system, with its children) and of the time on the clock, with how many findings it has. hadolint is given the
Dockerfiles alone, which is all that it reads; checkov and trivy get no Compose files, which they do not read here.
"""

import argparse
import json
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

MANIFEST = re.compile(r"^kind:\s*\w", re.MULTILINE)
API = re.compile(r"^apiVersion:\s*\S", re.MULTILINE)
SERVICES = re.compile(r"^services:\s*$", re.MULTILINE)
LARGEST = 1 << 20
# so that each tool can be given what it reads
FOLDERS = {"dockerfile": "built/image", "manifest": "built/run", "compose": "compose"}


def kind(path):
    """dockerfile, compose or manifest; none for what is neither."""
    name = path.name.lower()
    if name == "dockerfile" or name.startswith("dockerfile.") or name.endswith(".dockerfile"):
        return "dockerfile"
    if not name.endswith((".yml", ".yaml")) or path.stat().st_size > LARGEST:
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    if "{{" in text:
        return None
    if SERVICES.search(text):
        return "compose"
    return "manifest" if MANIFEST.search(text) and API.search(text) else None


def gather(corpora, target):
    """Copies the files, each below its repository's name, and counts them by kind."""
    counts = dict.fromkeys(("dockerfile", "manifest", "compose"), 0)
    for corpus in corpora:
        for path in sorted(corpus.rglob("*")):
            found = path.is_file() and not path.is_symlink() and kind(path)
            if found:
                counts[found] += 1
                copy = target / FOLDERS[found] / path.relative_to(corpus)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    return counts


def run(command, folder):
    """What it printed, and the seconds of CPU and of the clock that it took with its children."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    after, end = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return done.stdout, cpu, end - begin


def findings(tool, text):
    """How many it has, by what it printed as JSON."""
    said = json.loads(text)
    if tool == "dunnage check":
        return len(said["findings"])
    if tool == "hadolint":
        return len(said)
    if tool == "checkov":
        parts = said if isinstance(said, list) else [said]
        return sum(len(part["results"]["failed_checks"]) for part in parts)
    return sum(len(result.get("Misconfigurations") or ()) for result in said.get("Results", ()))


def jobs(arguments, folder):
    """Which tool runs over what: its name, what it reads, its command, and where."""
    ours = [arguments.program, "check", ".", "--fail-on", "never", "--config", "/dev/null", "--format", "json"]
    built = folder / "built"
    images = built / "image"
    yield "dunnage check", ("dockerfile", "manifest", "compose"), ours, folder
    yield "dunnage check", ("dockerfile",), ours, images
    if arguments.hadolint:
        dockerfiles = sorted(str(path) for path in images.rglob("*") if path.is_file())
        yield "hadolint", ("dockerfile",), [arguments.hadolint, "--no-fail", "-f", "json", *dockerfiles], images
    if arguments.checkov:
        words = ["--compact", "--quiet", "-d", ".", "--framework", "dockerfile", "kubernetes", "-o", "json"]
        yield "checkov", ("dockerfile", "manifest"), [arguments.checkov, *words], built
    if arguments.trivy:
        words = ["config", "--skip-check-update", "--format", "json", "-q", "."]
        yield "trivy config", ("dockerfile", "manifest"), [arguments.trivy, *words], built


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpora", nargs="+", type=pathlib.Path)
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    for tool in ("hadolint", "checkov", "trivy"):
        parser.add_argument(f"--{tool}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        counts = gather(arguments.corpora, folder)
        all_jobs = list(jobs(arguments, folder))
        times, found = [[] for _ in all_jobs], [0] * len(all_jobs)
        for _ in range(arguments.rounds):
            for index, (tool, _, command, where) in enumerate(all_jobs):
                text, *took = run(command, where)
                times[index].append(took)
                found[index] = findings(tool, text)
        rows = []
        for (tool, kinds, _, _), took, number in zip(all_jobs, times, found, strict=True):
            cpu, clock = (statistics.median(column) for column in zip(*took, strict=True))
            files = sum(counts[one] for one in kinds)
            row = {"tool": tool, "files": files, "kinds": list(kinds), "findings": number}
            rows.append(row | {"cpu_seconds": round(cpu, 3), "seconds": round(clock, 3)})
        print(json.dumps({"files": counts, "rounds": arguments.rounds, "runs": rows}, indent=1))


if __name__ == "__main__":
    main()
