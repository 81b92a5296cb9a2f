"""Six threads with requests, which ask for the GIL at about the same time, beside one that computes."""

from harness import Play, compute

play = Play()
play.disturb(compute(0.050), every=1.0)
for number in range(6):
    play.serve(compute(0.002), every=0.16, offset=0.005 * number)
play.run()
