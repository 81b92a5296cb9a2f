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
# the newest first: only that one says how often the rules of today are right on files that they were not mended by
SETS = {"fourth": "fourth hold-out", "third": "third hold-out", "second": "second hold-out", "holdout": "first hold-out", "first": "first corpus"}
NEWEST, *EARLIER = SETS


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
    """Those of one corpus, of `SETS`; the rules were mended by each afterwards."""
    return [row for row in labels if row["set"] == name]


def joint(row):
    """What both readers say: the worse of the two, where there were two."""
    return max(row["verdict"], row["verdict_2"] or row["verdict"], key=VERDICTS.index)


def kappa(labels):
    """How often two readers agree, and Cohen's kappa: the share of what chance leaves open on which they agree."""
    number = len(labels)
    same = sum(row["verdict"] == row["verdict_2"] for row in labels) / number
    one, other = (collections.Counter(row[reader] for row in labels) for reader in ("verdict", "verdict_2"))
    chance = sum(one[verdict] * other[verdict] for verdict in VERDICTS) / number**2
    return same, (same - chance) / (1 - chance)


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
    """The forecast in a sentence."""

    def said(severity):
        found = found_first(labels, severity)
        verdicts = collections.Counter(joint(row) for row in found)
        right, number = verdicts["true"], len(found)
        low, high = wilson(right, number)
        shares = f"{100 * right / number:.0f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f}"
        return f"**{right} of {number} {severity}s right** ({shares}; {verdicts['false']} wrong)"

    same, beyond = kappa([row for row in labels if row["verdict_2"] and row["before"] == "yes"])
    return [
        f"{said('error')}, {said('warning')}, where a finding is right only if both of two readers say so, and wrong if one does.",
        f"They agreed on {percent(same)} of the findings (Cohen's kappa {beyond:.2f}).",
    ]


def found_first(labels, severity):
    """What was found before anything was mended by it."""
    return [row for row in labels if row["before"] == "yes" and row["severity_before"] == severity]


def once(labels):
    """The worst judgement of each rule in each repository: what one cause says many times counts once."""
    worst = {}
    for row in labels:
        place = row["repository"], row["rule"]
        worst[place] = max(worst.get(place, "true"), joint(row), key=VERDICTS.index)
    return list(worst.values())


def precision(labels):
    """The shares by corpus and severity, before and after the rules were mended by it."""
    lines = head("", "findings", "right", "debatable", "wrong", "precision", "95 % interval", "not wrong")
    for name, title in SETS.items():
        for severity in SEVERITIES:
            found = found_first(of(labels, name), severity)
            lines.append(shares(f"{title}, as found: {severity}s", [joint(row) for row in found]))
            if name == NEWEST:
                for reader, who in (("verdict", "one reader"), ("verdict_2", "the other")):
                    lines.append(shares(f"{who} alone", [row[reader] for row in found]))
                lines.append(shares("each rule once a repository", once(found)))
        for severity in SEVERITIES:
            lines.append(shares(f"{title}, after mending: {severity}s", left(of(labels, name), severity)))
    # the files of the first corpus were not at hand again
    held_out = [row for row in labels if row["set"] != "first"]
    for severity in SEVERITIES:
        lines.append(shares(f"the four hold-outs together, now: {severity}s", left(held_out, severity)))
    return lines


def left(labels, severity):
    """The judgements of what is still found, and of what is found since."""
    return [joint(row) for row in labels if row["after"] == "yes" and row["severity"] == severity]


def by_rule(labels):
    """What the newest hold-out says of each rule, and what the corpora before it say of it now."""
    earlier = [f"{SETS[name]}, now" for name in EARLIER]
    lines = head("rule", "found", "right", "debatable", "wrong", "95 % interval", *earlier)
    for rule in sorted({row["rule"] for row in labels}):
        of_rule = [row for row in labels if row["rule"] == rule]
        found = [row for row in of(of_rule, NEWEST) if row["before"] == "yes"]
        counts = collections.Counter(joint(row) for row in found)
        interval = " to ".join(percent(end) for end in wilson(counts["true"], len(found))) if found else ""
        kinds = (counts[verdict] for verdict in VERDICTS)
        earlier = (now(of(of_rule, name)) for name in EARLIER)
        lines.append(line(f"[{rule}](rules/{rule}.md)", len(found), *kinds, interval, *earlier))
    return lines


def now(labels):
    """How many of what is found now are right."""
    found = [row for row in labels if row["after"] == "yes"]
    return f"{sum(joint(row) == 'true' for row in found)} of {len(found)}" if found else ""


def not_right(labels):
    """Every judgement that is not "right": of the newest hold-out all, of the corpora before what is still found."""
    lines = head("rule", "where", "judgement", "reason", "the other reader")
    alike = collections.defaultdict(list)
    for row in labels:
        if joint(row) != "true" and (row["set"] == NEWEST or row["after"] == "yes"):
            texts = ("set", "repository", "rule", "verdict", "reason", "verdict_2", "reason_2")
            alike[tuple(row[key] for key in texts)].append(row)
    for (name, repository, rule, *judged), found in sorted(alike.items(), key=newest_first):
        corpus = "" if name == NEWEST else f" ({SETS[name]})"
        place = f"{found[0]['path']}:{found[0]['line']}"
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        verdict, reason, verdict_2, reason_2 = judged
        other = f"{said_of(verdict_2)}: {reason_2}" if verdict_2 else ""
        lines.append(line(rule, f"{repository} `{place}`{more}{corpus}", said_of(verdict), reason, other))
    return lines


def newest_first(item):
    """By corpus, then by repository and rule."""
    name, *rest = item[0]
    return list(SETS).index(name), rest


def said_of(verdict):
    """The word for a verdict."""
    return {"false": "wrong", "true": "right"}.get(verdict, verdict)


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


def speed(measured):
    """CPU time, and files in a second of it, as `speed.py` printed it."""
    words = {"dockerfile": "Dockerfiles", "manifest": "manifests", "compose": "Compose files"}
    lines = head("tool", "files", "findings", "CPU seconds", "seconds", "files per CPU second", "`dunnage check` is faster by")
    rates = {len(run["kinds"]): rate(run) for run in measured["runs"] if run["tool"] == "dunnage check"}
    for run in measured["runs"]:
        kinds = run["kinds"]
        what = "files" if len(kinds) == len(words) else " and ".join(words[kind] for kind in kinds)
        # beside what reads Dockerfiles alone stands what they cost us, beside the others what all files do
        ours = rates[1 if len(kinds) == 1 else len(words)]
        ratio = "" if run["tool"] == "dunnage check" else f"{ours / rate(run):.0f} times"
        times = f"{run['cpu_seconds']:.3f}", f"{run['seconds']:.3f}", f"{rate(run):.0f}"
        lines.append(line(run["tool"], f"{run['files']} {what}", run["findings"], *times, ratio))
    return lines


def rate(run):
    """Files in a second of CPU time."""
    return run["files"] / run["cpu_seconds"]


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
        "short": short(of(labels, NEWEST)),
        "precision": precision(labels),
        "rules": by_rule(labels),
        "not right": not_right(labels),
        "peers": peers(of(labels, "first"), data),
        "speed": speed(data["speed"]),
    }
    text = PAGE.read_text(encoding="utf-8")
    filled = fill(text, tables)
    if arguments.check:
        sys.exit("docs/check-quality.md is stale: lab/quality/score.py" if filled != text else 0)
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
