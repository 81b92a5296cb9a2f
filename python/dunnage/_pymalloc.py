"""How much of CPython's small-object heap is empty and cannot be given back.

Objects of at most 512 bytes live in arenas of 1 MiB, and an arena goes back to the kernel only when the last object in
it is gone: one survivor pins it. No call in the process opens such an arena; what can be had is the truth about it.
CPython tells it in one place only, ``_PyObject_DebugMallocStats``, as a text. The native part hands it a stream in
memory (turning descriptor 2 elsewhere around ``sys._debugmallocstats()`` would swallow what other threads say
meanwhile), and this module reads the three numbers that have been in the text since CPython 3.4.
"""

from typing import NamedTuple

_ARENAS = r"(?m)^([0-9,]+) arenas \* ([0-9,]+) bytes/arena"
_USED = r"(?m)^# bytes in allocated blocks *= *([0-9,]+)$"


class SmallObjects(NamedTuple):
    """The heap of objects of at most 512 bytes, in bytes."""

    arenas: int
    """Held from the kernel."""
    used: int
    """In objects that are alive."""
    pinned: int
    """``arenas`` less ``used``: free for new small objects, and for nothing else."""

    @property
    def pinned_share(self) -> float:
        """``pinned`` of ``arenas``, 0 to 1."""
        return self.pinned / self.arenas if self.arenas else 0.0


def parse_statistics(text: str) -> SmallObjects | None:
    """The numbers of ``_PyObject_DebugMallocStats``; ``None`` for a text of another form."""
    import re  # not at import: it is a large part of what an interpreter has not loaded by itself

    arenas, used = re.search(_ARENAS, text), re.search(_USED, text)
    if arenas is None or used is None:
        return None
    held = _number(arenas[1]) * _number(arenas[2])
    taken = min(_number(used[1]), held)
    return SmallObjects(held, taken, held - taken)


def _number(text: str) -> int:
    return int(text.replace(",", "") or "0")
