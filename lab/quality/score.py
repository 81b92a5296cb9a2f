#!/usr/bin/env python3
"""How often `dunnage check` is right on files that this project did not write: the tables of docs/check-quality.md.

    lab/quality/score.py                              # write the tables from labels.tsv and peers.json
    lab/quality/score.py --check                      # say whether they are stale
    lab/quality/score.py --corpus DIR --program FILE  # check DIR/github/OWNER/NAME, DIR/pypi/NAME, DIR/debian/NAME,
                                                      # and name what has no judgement yet or is not found any more

The files themselves are not here: corpus.tsv says where each comes from, with its SHA-256.
"""

import argparse
import collections
import csv
import hashlib
import json
import math
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "check-quality.md"
VERDICTS = ("true", "debatable", "false")


def wilson(hits, count, z=1.959964):
    """The 95 % interval of a share."""
    share = hits / count
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def rows(name):
    with open(HERE / name, encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def percent(share):
    return f"{100 * share:.1f} %"


def line(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def head(*names):
    return [line(*names), "|" + "---|" * len(names)]


def precision(labels):
    """The shares by severity, before and after the rules were mended."""
    lines = head("", "findings", "right", "debatable", "wrong", "precision", "95 % interval", "not wrong")
    for state in ("before", "after"):
        column = "severity_before" if state == "before" else "severity"
        for severity in ("error", "warning"):
            found = [row for row in labels if row[state] == "yes" and row[column] == severity]
            counts = collections.Counter(row["verdict"] for row in found)
            number = len(found)
            interval = " to ".join(percent(end) for end in wilson(counts["true"], number))
            shares = percent(counts["true"] / number), interval, percent(1 - counts["false"] / number)
            lines.append(line(f"{severity}s {state}", number, *(counts[verdict] for verdict in VERDICTS), *shares))
    return lines


def by_rule(labels):
    """What became of each rule."""
    lines = head("rule", "read", "right", "debatable", "wrong", "found now")
    for rule in sorted({row["rule"] for row in labels}):
        found = [row for row in labels if row["rule"] == rule]
        counts = collections.Counter(row["verdict"] for row in found)
        now = sum(row["after"] == "yes" for row in found)
        lines.append(line(f"[{rule}](rules/{rule}.md)", len(found), *(counts[verdict] for verdict in VERDICTS), now))
    return lines


def not_right(labels):
    """Every judgement that is not "right", with its reason."""
    lines = head("rule", "where", "judgement", "reason", "found now")
    for row in labels:
        if row["verdict"] != "true":
            place = f"{row['repository']} `{row['path']}:{row['line']}`"
            verdict = {"false": "wrong"}.get(row["verdict"], row["verdict"])
            lines.append(line(row["rule"], place, verdict, row["reason"], row["after"]))
    return lines


def peers(labels, data):
    """What the others say about the same files."""
    lines = head("tool", "version", "findings", "about this subject", "of 60 read: about it", "right", "debatable")
    for name, tool in data["tools"].items():
        if "findings" in tool:
            about = f"{tool['about']} ({percent(tool['about'] / tool['findings'])})"
            sample = (tool[key] for key in ("sample_about", "sample_true", "sample_debatable"))
            lines.append(line(name, tool["version"], tool["findings"], about, *sample))
    names = ("hadolint", "checkov", "trivy config")
    lines += ["", *head("rule", "right", *names)]
    right = collections.Counter(row["rule"] for row in labels if row["verdict"] == "true" and row["after"] == "yes")
    for rule, count in sorted(right.items()):
        codes = (data["overlap"].get(rule, {}).get(name) for name in names)
        lines.append(line(rule, count, *(f"{code[1]} ({code[0]})" if code else "none" for code in codes)))
    return lines


def speed(data):
    """CPU time, and files in a second of it."""
    tools, files = data["tools"], data["files"]
    ours = tools["dunnage check"]
    every, dockerfiles = sum(files.values()), files["Dockerfiles"]
    lines = head("tool", "files", "CPU seconds", "files per CPU second", "`dunnage check` is faster by")

    def add(name, what, count, seconds, base=None):
        ratio = f"{base * seconds / count:.0f} times" if base else ""
        lines.append(line(name, f"{count} {what}", f"{seconds:.3f}", f"{count / seconds:.0f}", ratio))

    add("dunnage check", "files", every, ours["cpu_seconds"])
    for name in ("checkov", "trivy config"):
        rate = every / ours["cpu_seconds"]
        add(name, "files", every - files["Compose files"], tools[name]["cpu_seconds"], rate)
    add("dunnage check", "Dockerfiles", dockerfiles, ours["cpu_seconds_dockerfiles"])
    rate = dockerfiles / ours["cpu_seconds_dockerfiles"]
    add("hadolint", "Dockerfiles", dockerfiles, tools["hadolint"]["cpu_seconds_dockerfiles"], rate)
    return lines


def fill(text, tables):
    """The page with its tables between `<!-- NAME -->` and `<!-- end -->`."""
    for name, lines in tables.items():
        start = text.index(f"<!-- {name} -->") + len(f"<!-- {name} -->")
        end = text.index("<!-- end -->", start)
        text = text[:start] + "\n" + "\n".join(lines) + "\n" + text[end:]
    return text


def key(row):
    return row["corpus"], row["repository"], row["rule"], row["path"], row["line"], row["workload"]


def compare(corpus, program, labels):
    """Runs the program in each repository by itself: images of one must not be linked to Dockerfiles of another."""
    for row in rows("corpus.tsv"):
        path = corpus / row["corpus"] / row["name"] / row["path"]
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            print(f"{path} is not the file of the corpus")
    found = set()
    folders = [*corpus.glob("github/*/*"), *corpus.glob("pypi/*"), *corpus.glob("debian/*")]
    for folder in sorted(folders):
        command = [program, "check", ".", "--format", "json", "--fail-on", "never", "--config", "/dev/null"]
        output = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
        family, name = folder.relative_to(corpus).as_posix().split("/", 1)
        for finding in json.loads(output)["findings"]:
            at = finding["location"]
            found.add((family, name, finding["rule"], at["path"], str(at["start"]["line"]), finding["workload"] or ""))
    judged = {key(row): row for row in labels}
    for place in sorted(found - judged.keys()):
        print("not judged:", *place)
    for place in sorted(place for place, row in judged.items() if row["after"] == "yes" and place not in found):
        print("not found any more:", *place)
    verdicts = collections.Counter(judged[place]["verdict"] for place in found & judged.keys())
    print(f"{len(found)} findings in {len(folders)} repositories: {dict(verdicts)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--corpus", type=pathlib.Path)
    parser.add_argument("--program", default="dunnage")
    arguments = parser.parse_args()
    labels = rows("labels.tsv")
    if arguments.corpus:
        compare(arguments.corpus, arguments.program, labels)
        return
    data = json.loads((HERE / "peers.json").read_text(encoding="utf-8"))
    tables = {
        "precision": precision(labels),
        "rules": by_rule(labels),
        "not right": not_right(labels),
        "peers": peers(labels, data),
        "speed": speed(data),
    }
    text = PAGE.read_text(encoding="utf-8")
    filled = fill(text, tables)
    if arguments.check:
        sys.exit("docs/check-quality.md is stale: lab/quality/score.py" if filled != text else 0)
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
