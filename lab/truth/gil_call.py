"""The headline: short requests beside a rare call into C that keeps the GIL for 80 ms of CPU."""

from harness import Play, compute, hold_gil

play = Play()
play.disturb(hold_gil(0.080), every=2.0)
play.serve(compute(0.002), every=0.05)
play.run()
