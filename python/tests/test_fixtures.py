"""Every recorded container of `fixtures/cgroup` is answered through the module as through the program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import dunnage
from dunnage import _resources

CASES = sorted((ROOT / "fixtures" / "cgroup").glob("*/expected.json"))
pytestmark = pytest.mark.usefixtures("native")


def differences(at: str, expected: Any, actual: Any) -> Iterator[str]:
    """What differs, for the keys that are expected."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            yield from differences(f"{at}.{key}", value, actual.get(key))
    elif expected != (pytest.approx(actual) if isinstance(actual, float) else actual):
        yield f"{at}: expected {expected}, actual {actual}"


def stall(stall: dunnage.Stall | None) -> dict[str, float] | None:
    if stall is None:
        return None
    fields = stall._asdict()
    fields["total_usec"] = round(fields.pop("total_seconds") * 1e6)
    return fields


def stalls(lines: dunnage.Stalls) -> dict[str, Any] | None:
    """`null` in the recordings is a file that is not there, an empty one here."""
    return None if lines == (None, None) else {"some": stall(lines.some), "full": stall(lines.full)}


def answers(affinity_is_recorded: bool) -> dict[str, Any]:
    found, throttling = dunnage.limits(), dunnage.throttling()
    cpu: dict[str, Any] = {"limit": found.cpu.limit, "bandwidth": found.cpu.bandwidth and found.cpu.bandwidth._asdict()}
    if affinity_is_recorded:
        cpu |= {
            "effective": found.cpu.effective,
            "source": found.cpu.source,
            "confidence": found.cpu.confidence,
        }
    read: dict[str, Any] = {"memory": dunnage.memory()._asdict()}
    if throttling.periods is not None:
        assert throttling.throttled_seconds is not None
        usec = round(throttling.throttled_seconds * 1e6)
        read["throttling"] = {
            "periods": throttling.periods,
            "throttled": throttling.throttled,
            "throttled_usec": usec,
        }
    read["pressure"] = {kind: stalls(lines) for kind, lines in dunnage.pressure()._asdict().items()}
    memory = found.memory._asdict()
    return {"hierarchy": found.hierarchy, "cpu": cpu, "memory": memory, "read": read}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
def test_a_recorded_container_is_answered_as_the_program_answers(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = json.loads(case.read_text())
    stated = expected.get("overrides", {})
    cpus, memory_bytes = stated.get("cpus"), stated.get("memory_bytes")
    source = type(_resources._source)(
        str(case.parent),
        None if cpus is None else str(cpus),
        None if memory_bytes is None else str(memory_bytes),
    )
    monkeypatch.setattr(_resources, "_source", source)
    recorded = expected["affinity"] is None
    if not recorded:
        # the mask was given to the reader by hand, and is in no file
        for key in ("effective", "source", "confidence"):
            expected.get("cpu", {}).pop(key, None)
    if stated.get("memory_bytes") is not None:
        expected.get("read", {}).get("memory", {}).pop("limit", None)
    for key in ("events", "bound", "bound_usage", "bound_memory", "bound_hits", "bound_events"):
        expected.get("read", {}).pop(key, None)  # not told by the module
    actual = answers(recorded)
    checked = ("hierarchy", "cpu", "memory", "read")
    assert not list(differences("", {key: expected[key] for key in checked if key in expected}, actual))
    if expected.get("cpu", {}).get("limit") is not None and cpus is None:
        assert dunnage.cpu_limit() == pytest.approx(expected["cpu"]["limit"])
    assert dunnage.limits_changed(dunnage.limits()) is None


def test_the_recordings_are_there() -> None:
    assert len(CASES) >= 100
