"""The agent's thread, interrupted at every instruction: the next request may come between any two of them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

AGENT = Path(__file__).parent.parent / "dunnage" / "_agent"


class Agent:
    """The agent's names without an application: a request's thread has its whole life at once."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        exec((AGENT / "_dunnage_agent.py").read_text(), self.known)
        self.ran = 0
        self.asked: dict[int, None] = {0: None}
        self.lock = Lock()
        self.names = {
            "later": (AGENT / "_dunnage_thread.py").read_text(),
            "run": self.run,
            "asked": self.asked,
            "lock": self.lock,
            "thread": 0,
            "left": (0.0, 0),
        }

    def run(self) -> None:
        self.ran += 1

    def ask(self, number: int) -> None:
        """A new number in the page, which the collector puts down before it starts the thread."""
        self.asked[number] = None
        self.known["_later"]("_work", self.names)


def instructions(act: Callable[[], None], at: int = -1, then: Callable[[], None] = lambda: None) -> int:
    """Counts those of the agent that `act` runs; behind number `at` something else happens."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if "_later" not in frame.f_globals:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            if count == at:
                sys.settrace(None)
                then()
                sys.settrace(trace)
            count += 1
        return trace

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(None)
    return count


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="3.12 does not trace the instructions of code that is new")
def test_a_request_between_any_two_instructions_of_another_leaves_nobody_at_work() -> None:
    agent = Agent()
    agent.ask(1)  # what is compiled with the first is compiled
    whole = instructions(partial(agent.ask, 2))
    assert whole > 50
    for at in range(whole):
        agent = Agent()
        agent.ask(1)
        instructions(partial(agent.ask, 2), at, partial(agent.ask, 3))
        assert agent.ran in (2, 3), at
        assert not agent.lock.locked(), at
        assert (agent.names["thread"], len(agent.asked)) == (0, 1), at
        # and the next is answered
        ran = agent.ran
        agent.ask(4)
        assert agent.ran == ran + 1, at
