"""Requests beside matrix products, which release the GIL; BLAS has as many threads as THREADS says."""

import os
import sys

for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = sys.argv[3]

import numpy
from harness import Play, calibrated, compute

matrix = numpy.random.default_rng(1).random((256, 256))


def multiply(times):
    for _ in range(times):
        matrix @ matrix


multiply(20)
play = Play()
play.disturb(calibrated(multiply, 0.080, 20), every=0.8)
play.serve(compute(0.002), every=0.05)
play.run()
