"""What applications that are recorded share: they start themselves below `dunnage record`, and look the recording over."""

import json
import subprocess
import sys


def record(program, word, folder, look_over):
    """Prints `as it must be`, or what is not so. `look_over` is given the recording and the timeline."""
    files = [f"{folder}/x.json", f"{folder}/x.timeline.json"]
    outputs = [word for file in files for word in ("-o", file)]
    command = [sys.executable, program, word]
    # its summary is for a person, and in the log
    subprocess.run(["dunnage", "record", *outputs, "--", *command], check=True, stdout=sys.stderr)
    wrong = look_over(*(json.load(open(file)) for file in files))
    print("\n".join(f"not so: {what}" for what in wrong) or "as it must be")
