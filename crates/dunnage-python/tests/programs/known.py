# Threads that stand still at known places. Prints where they are as the interpreter itself sees it, then waits on stdin.
import asyncio
import json
import sys
import threading
import time

parked = threading.Semaphore(0)
names = []


def park():
    parked.release()
    time.sleep(10000)


def nested():
    def inner():
        park()

    inner()


def generators():
    def produce():
        yield 1
        park()
        yield 2

    def delegate():
        yield from produce()

    for _ in delegate():
        pass


def comprehensions():
    return [[park() for _ in range(2)] for _ in range(2)]


def lambdas():
    first = lambda: park()
    second = lambda: first()
    sorted([1, 2], key=lambda _: second())


def several_lines():
    str(
        max(
            1,
            park(),
        )
    )


def recursion(depth=200):
    if depth == 0:
        park()
    recursion(
        depth - 1
    )


class Class:
    @property
    def value(self):
        return self.method()

    @classmethod
    def made(cls):
        return cls().value

    def method(self):
        try:
            raise KeyError
        except KeyError:
            with self:
                pass

    def __enter__(self):
        park()

    def __exit__(self, *_):
        pass


def coroutines():
    async def leaf():
        park()

    async def middle():
        await leaf()

    asyncio.run(middle())


def odd_names():
    space = {"park": park}
    source = "def gr\u00fc\u00dfe_\u0416():\n\n    park()\n" + "\n" * 300 + "def tief(): gr\u00fc\u00dfe_\u0416()"
    exec(compile(source, "d\u00e9j\u00e0 \u4e16\u754c \U0001f600.py", "exec"), space)
    space["tief"]()


def far_apart():
    values = [
        # a gap of more than a byte and more than a signed byte in the line table
    ]
    for _ in range(1): values.append(lambda: None)






























































































































    while True:
        park()


class Named(threading.Thread):
    """Has attributes before those of Thread, and more than fit into a row of values."""

    def __init__(self, **rest):
        self.first = 1
        super().__init__(**rest)
        for number in range(40):
            setattr(self, "more%d" % number, number)


def start(function):
    kind = Named if function.__name__ in ("nested", "lambdas") else threading.Thread
    thread = kind(target=function, name="at " + function.__name__, daemon=True)
    thread.extra = "an attribute more"
    thread.start()
    parked.acquire()
    names.append(thread)


def see(thread):
    frame = sys._current_frames()[thread.ident]
    seen = []
    while frame:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        seen.append({"function": name, "file": code.co_filename, "line": frame.f_lineno})
        frame = frame.f_back
    return seen


for function in [nested, generators, comprehensions, lambdas, several_lines, recursion, Class.made, coroutines, odd_names, far_apart]:
    start(function)
# parked is released a moment before the sleep
sleeps = park.__code__.co_firstlineno + 2
for _ in range(30000):
    if all(see(thread)[0]["line"] == sleeps for thread in names):
        break
    time.sleep(0.001)
expected = [{"name": thread.name, "tid": thread.native_id, "frames": see(thread)} for thread in names]
print(json.dumps(expected), flush=True)
sys.stdin.read()
