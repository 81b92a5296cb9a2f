"""Requests beside a thread that parses a document of 40 ms: the GIL is kept, and memory is allocated."""

import json

from harness import Play, calibrated, compute

ROW = {"name": "a name", "values": [1, 2.5, None, True], "nested": {"key": "value"}}


def parse(rows, documents={}):
    text = documents.get(rows)
    if text is None:
        text = documents.setdefault(rows, json.dumps([ROW] * rows))
    json.loads(text)


parse(1000)
play = Play()
parser = calibrated(parse, 0.040, 1000)
parser()
play.disturb(parser, every=0.8)
play.serve(compute(0.002), every=0.05)
play.run()
