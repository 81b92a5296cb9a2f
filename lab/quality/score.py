#!/usr/bin/env python3
"""How often `dunnage check` is right on files that this project did not write: the tables of docs/check-quality.md.

    lab/quality/score.py                              # write the tables from labels.tsv and peers.json
    lab/quality/score.py --check                      # say whether they are stale
    lab/quality/score.py --corpus DIR --program FILE  # check DIR/github/OWNER/NAME, DIR/pypi/NAME, DIR/debian/NAME,
                                                      # name what has no judgement yet or is not found any more, and
                                                      # count the findings of each Python container

The files themselves are not here: corpus.tsv says where each comes from, with its SHA-256.
"""

import argparse
import collections
import csv
import hashlib
import json
import math
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "check-quality.md"
VERDICTS = ("true", "debatable", "false")
SEVERITIES = ("error", "warning")


def wilson(hits, count, z=1.959964):
    """The 95 % interval of a share."""
    share = hits / count
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def rows(name):
    with open(HERE / name, encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def of(labels, name):
    """Those of one corpus: `first`, on which the rules were mended, or `holdout`, read afterwards."""
    return [row for row in labels if row["set"] == name]


def percent(share):
    return f"{100 * share:.1f} %"


def line(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def head(*names):
    return [line(*names), "|" + "---|" * len(names)]


def shares(name, found):
    """One line of a table: the counts, the share that is right with its interval, the share that is not wrong."""
    counts = collections.Counter(found)
    number = len(found)
    interval = " to ".join(percent(end) for end in wilson(counts["true"], number))
    not_wrong = percent(1 - counts["false"] / number)
    kinds = (counts[verdict] for verdict in VERDICTS)
    return line(name, number, *kinds, percent(counts["true"] / number), interval, not_wrong)


def short(labels):
    """The forecast in a sentence, and what it is after mending."""

    def of_all(state, severity):
        column = "severity_before" if state == "before" else "severity"
        found = [row for row in labels if row[state] == "yes" and row[column] == severity]
        return sum(row["verdict"] == "true" for row in found), len(found), found

    def said(severity):
        right, number, found = of_all("before", severity)
        low, high = wilson(right, number)
        wrong = sum(row["verdict"] == "false" for row in found)
        shares = f"{100 * right / number:.0f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f}"
        return f"**{right} of {number} {severity}s right** ({shares}; {wrong} wrong)"

    single = once(of_all("before", "warning")[2])
    now = " and ".join("{} of {}".format(*of_all("after", severity)) + f" {severity}s" for severity in SEVERITIES)
    return [
        f"{said('error')}, {said('warning')}. Where each rule counts once a repository,",
        f"{100 * single.count('true') / len(single):.0f} % of the warnings are right. After the rules were mended",
        f"by what was wrong there, {now} are right on the same files, which is no forecast.",
    ]


def once(labels):
    """The worst judgement of each rule in each repository: what one cause says many times counts once."""
    worst = {}
    for row in labels:
        place = row["repository"], row["rule"]
        worst[place] = max(worst.get(place, "true"), row["verdict"], key=VERDICTS.index)
    return list(worst.values())


def precision(labels):
    """The shares by corpus and severity, before and after the rules were mended by it."""
    lines = head("", "findings", "right", "debatable", "wrong", "precision", "95 % interval", "not wrong")
    for name in ("holdout", "first"):
        title = {"holdout": "hold-out", "first": "first corpus"}[name]
        for state in ("before", "after"):
            column = "severity_before" if state == "before" else "severity"
            for severity in SEVERITIES:
                found = [row for row in of(labels, name) if row[state] == "yes" and row[column] == severity]
                when = {"before": "as found", "after": "after mending"}[state]
                lines.append(shares(f"{title}, {when}: {severity}s", [row["verdict"] for row in found]))
                if (name, state) == ("holdout", "before"):
                    lines.append(shares("each rule once a repository", once(found)))
    return lines


def by_rule(labels):
    """What the hold-out says of each rule, and what the first corpus said, as found and now."""
    lines = head("rule", "found", "right", "debatable", "wrong", "95 % interval", "now", "first corpus, now")
    for rule in sorted({row["rule"] for row in labels}):
        here, first = ([row for row in of(labels, name) if row["rule"] == rule] for name in ("holdout", "first"))
        found = [row for row in here if row["before"] == "yes"]
        counts = collections.Counter(row["verdict"] for row in found)
        interval = " to ".join(percent(end) for end in wilson(counts["true"], len(found))) if found else ""
        kinds = (counts[verdict] for verdict in VERDICTS)
        lines.append(line(f"[{rule}](rules/{rule}.md)", len(found), *kinds, interval, now(here), now(first)))
    return lines


def now(labels):
    """How many of what is found now are right."""
    found = [row for row in labels if row["after"] == "yes"]
    return f"{sum(row['verdict'] == 'true' for row in found)} of {len(found)}" if found else ""


def not_right(labels):
    """Every judgement that is not "right": of the hold-out all, of the first corpus what is still found."""
    lines = head("rule", "where", "judgement", "reason", "found now")
    alike = collections.defaultdict(list)
    for row in labels:
        if row["verdict"] != "true" and (row["set"] == "holdout" or row["after"] == "yes"):
            alike[tuple(row[key] for key in ("set", "repository", "rule", "verdict", "reason", "after"))].append(row)
    for (name, repository, rule, verdict, reason, after), found in sorted(alike.items(), reverse=True):
        place = f"{found[0]['path']}:{found[0]['line']}"
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        place = f"{repository} `{place}`{more}{' (first)' if name == 'first' else ''}"
        lines.append(line(rule, place, {"false": "wrong"}.get(verdict, verdict), reason, after))
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


def check(program, folder, *arguments):
    """What the program says of one folder by itself: images of one must not be linked to Dockerfiles of another."""
    command = [program, "check", ".", "--fail-on", "never", "--config", "/dev/null", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True).stdout


def compare(corpus, program, labels):
    """What is found in the folders of a corpus, beside its judgements."""
    for row in rows("corpus.tsv"):
        path = corpus / row["corpus"] / row["name"] / row["path"]
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            print(f"{path} is not the file of the corpus")
    found, here = set(), set()
    folders = sorted([*corpus.glob("github/*/*"), *corpus.glob("pypi/*"), *corpus.glob("debian/*")])
    for folder in folders:
        family, name = folder.relative_to(corpus).as_posix().split("/", 1)
        here.add((family, name))
        for finding in json.loads(check(program, folder, "--format", "json"))["findings"]:
            at = finding["location"]
            found.add((family, name, finding["rule"], at["path"], str(at["start"]["line"]), finding["workload"] or ""))
    judged = {key(row): row for row in labels}
    for place in sorted(found - judged.keys()):
        print("not judged:", *place)
    for place in sorted(place for place, row in judged.items() if row["after"] == "yes" and place[:2] in here):
        if place not in found:
            print("not found any more:", *place)
    verdicts = collections.Counter(judged[place]["verdict"] for place in found & judged.keys())
    print(f"{len(found)} findings in {len(folders)} repositories: {dict(verdicts)}")
    counts = [count for folder in folders if folder.parts[-3] == "github" for count in burden(program, folder)]
    if counts:
        print(f"{len(counts)} Python containers: median {statistics.median(counts)}, most {max(counts)}")


def burden(program, folder):
    """How many findings each Python container of a manifest or Compose file has, those that it shares among them."""
    graph = json.loads(check(program, folder, "--graph", "--format", "json"))["workloads"]
    names = [row["name"] for row in graph if row["python"] == "yes" and row["kind"] != "Dockerfile"]
    counts = dict.fromkeys(names, 0)
    owner = ""
    text = check(program, folder, "--color", "never")
    # a finding stands under its first workload, and names the others in a note that may be broken over lines
    for entry in re.split(r"\n(?=\S)", re.sub(r"\n {6,}(?=\S)(?![^\n|]*\|)", " ", text)):
        heading = re.match(r"(\S.*?)(?: \(likely\))? at\s", entry)
        if heading and not re.match(r"(error|warning|info)\[", entry):
            owner = heading[1]
        elif re.match(r"(error|warning)\[", entry):
            also = re.search(r"note: also of ([^\n]*)", entry)
            for name in {owner, *(also[1].split(", ") if also else ())} & counts.keys():
                counts[name] += 1
    return list(counts.values())


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
        "short": short(of(labels, "holdout")),
        "precision": precision(labels),
        "rules": by_rule(labels),
        "not right": not_right(labels),
        "peers": peers(of(labels, "first"), data),
        "speed": speed(data),
    }
    text = PAGE.read_text(encoding="utf-8")
    filled = fill(text, tables)
    if arguments.check:
        sys.exit("docs/check-quality.md is stale: lab/quality/score.py" if filled != text else 0)
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
