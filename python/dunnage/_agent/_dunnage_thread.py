"""The agent's thread, and what a fork has to do with it: needed, and compiled, once a release was asked for.

This file runs with the agent's names as its own, perhaps in a thread and before a fork at the same time: it holds nothing but
functions, each behind those that it calls.
"""
# ruff: noqa: F821


def _is_there(names):
    if len(names["asked"]) > 1:  # it may have started and not come to anything yet
        return names["thread"] != get_native_id()
    since, number = names["left"]
    # for the kernel it is there a little longer than for us; after a second the number may be another thread's
    return monotonic() - since < 1.0 and os.path.exists("/proc/self/task/%d" % number)


def _wait(names):
    """Before a fork: 3.12 and later warn where threads are. At most 5 s, which no release needs."""
    give_up = monotonic() + 5.0
    while _is_there(names):
        if monotonic() > give_up:
            return _settle(names)
        sleep(0.001)


def _forget(names):
    """In a child there is no thread, whatever it held."""
    names["left"] = 0.0, 0
    names["lock"] = allocate_lock()
    _settle(names)


def _work_alone(names):
    number = names["thread"] = get_native_id()
    try:
        if "source" in names:
            exec(names["source"], names)
            del names["source"]
        names["run"]()
    except BaseException as error:
        _say(error)
    names["left"] = monotonic(), number
    _settle(names)


def _work(names):
    """Is in a thread, of which one is at work at a time: it sees to the numbers of those that came meanwhile, and looks once
    more when it has let go."""
    lock = names["lock"]
    while lock.acquire(False):
        _work_alone(names)
        lock.release()
        if len(names["asked"]) == 1:
            return
