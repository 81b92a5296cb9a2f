"""Requests beside a thread that computes in pure Python for 60 ms of CPU at a time."""

from harness import Play, compute

play = Play()
play.disturb(compute(0.060), every=0.8)
play.serve(compute(0.002), every=0.05)
play.run()
