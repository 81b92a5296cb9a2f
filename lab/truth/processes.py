"""Three processes of multiprocessing under one quota: one computes for 80 ms now and then, two serve requests."""

import multiprocessing
import time

from harness import Play, compute, hold_gil


def serve(play, going, finished, offset):
    play.serve(compute(0.003), every=0.06, offset=offset)
    play.start()
    going.wait()
    play.started = going_at.value
    play.end = play.started + play.seconds
    play.going.set()
    play.wait_until_served()
    finished.wait()
    play.finish()


def disturb(play, going, finished):
    work = hold_gil(0.080)
    going.wait()
    end = going_at.value + play.seconds
    while time.monotonic() < end:
        work()
        time.sleep(0.9)
    finished.wait()


play = Play()
context = multiprocessing.get_context("fork")
going, finished = context.Event(), context.Event()
going_at = context.Value("d", 0.0)
jobs = [(disturb, ()), (serve, (0.0,)), (serve, (0.03,))]
children = [
    context.Process(target=job, args=(play, going, finished, *more)) for job, more in jobs
]
for child in children:
    child.start()
time.sleep(0.5)
play.wait_for_start()
going_at.value = play.started
going.set()
time.sleep(max(0.0, play.end + 1.0 - time.monotonic()))
play.wait_for_end()
finished.set()
for child in children:
    child.join()
