"""An event loop with short requests, and an executor's thread that keeps the GIL for 50 ms now and then."""

import asyncio
import time

from harness import Play, compute, hold_gil

play = Play()
short, long = compute(0.001), hold_gil(0.050)


async def request(due):
    with play.log.request(int(due * 1e9)):
        short()
        await asyncio.sleep(0.005)
        short()


async def disturb():
    loop = asyncio.get_running_loop()
    while time.monotonic() < play.end:
        await asyncio.sleep(1.0)
        await loop.run_in_executor(None, long)


async def main():
    loop = asyncio.get_running_loop()
    # the executor's thread is there before the others measure
    await loop.run_in_executor(None, short)
    play.wait_for_start()
    tasks = [asyncio.create_task(disturb())]
    due = play.started
    while due < play.end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(request(due)))
        due += 0.03
    await asyncio.gather(*tasks)
    play.log.write()
    play.wait_for_end()


asyncio.run(main())
