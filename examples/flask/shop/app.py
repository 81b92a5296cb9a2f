"""A shop that recommends: small, and sized as if for a server of its own."""

import subprocess

import numpy as np
from flask import Flask, jsonify

app = Flask(__name__)
WEIGHTS = np.random.default_rng(7).random((300, 300))


@app.get("/healthz")
def healthz():
    return jsonify(status="ok")


@app.get("/recommend")
def recommend():
    scores = WEIGHTS @ WEIGHTS
    return jsonify(best=int(scores.sum(axis=0).argmax()))


@app.post("/thumbnail")
def thumbnail():
    subprocess.Popen(["sleep", "0.1"])
    return jsonify(status="queued"), 202
