"""A Flask application with pandas: `/sizes` notes how large its pools are, `/sort` sorts 30 million numbers."""

import os

import numpy
import pandas
from flask import Flask
from threadpoolctl import threadpool_info

OUT = os.environ["LAB_OUT"]
app = Flask(__name__)


@app.get("/sizes")
def sizes():
    frame = pandas.DataFrame(numpy.eye(64))
    assert frame.dot(frame).equals(frame)
    pools = [f"{pool['user_api']} {pool['num_threads']}" for pool in threadpool_info()]
    # whole or not there: somebody waits for the file
    with open(f"{OUT}/sizes.new", "w") as file:
        file.write(", ".join([f"cpus {os.cpu_count()}", *pools]))
    os.replace(f"{OUT}/sizes.new", f"{OUT}/sizes")
    return "noted"


@app.get("/sort")
def sort():
    numbers = numpy.random.default_rng(1).random(30_000_000)
    open(f"{OUT}/sorting", "w").close()
    numbers.sort(kind="heapsort")
    return "sorted"
