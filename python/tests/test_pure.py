"""The build without a native part says what the native one says, as far as it can know."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dunnage
from dunnage import _pure, _resources

NUMBERS = st.decimals(min_value=0, max_value=10**7, places=9, allow_nan=False).map(str)
PLAIN = st.from_regex(r"[0-9]{1,8}(\.[0-9]{1,9})?", fullmatch=True)
UNITS = st.sampled_from(["", "m", "k", "K", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "x", " "])
# Python alone takes these for blanks, and they are cut off
SEPARATORS = set("\x1c\x1d\x1e\x1f")
TEXTS = st.one_of(st.text(max_size=12), st.builds(str.__add__, NUMBERS | PLAIN, UNITS)).filter(
    lambda text: not SEPARATORS & set(text)
)


def native_source(cpus: str | None, memory: str | None) -> _pure.Source:
    """The types are the same by duck's word."""
    if not dunnage.limits().native:
        pytest.skip("needs the native part, which this installation does not have")
    return type(_resources._source)("/", cpus, memory)  # type: ignore[return-value]


@given(TEXTS)
def test_a_stated_cpu_limit_is_understood_alike(text: str) -> None:
    native, pure = native_source(text, None), _pure.Source("/", text, None)
    complains = [any("DUNNAGE_CPU_LIMIT" in note for note in source.limits()[3]) for source in (native, pure)]
    assert complains[0] == complains[1]
    if text and not complains[0]:
        assert native.cpu_limit() == pure.cpu_limit()
        assert native.limits()[1] == pure.limits()[1]


@given(TEXTS)
def test_a_stated_memory_limit_is_understood_alike(text: str) -> None:
    native, pure = native_source(None, text), _pure.Source("/", None, text)
    complains = [any("DUNNAGE_MEMORY_LIMIT" in note for note in source.limits()[3]) for source in (native, pure)]
    assert complains[0] == complains[1]
    if text and not complains[0]:
        assert native.memory()[0] == pure.memory()[0]
        assert native.limits()[2][:3] == pure.limits()[2][:3]


@given(
    st.floats(min_value=0.001, max_value=300).map(lambda cpus: f"{cpus:.3f}"),
    st.integers(min_value=1, max_value=100),
    st.sampled_from(["latency", "throughput"]),
)
def test_counts_are_alike(cpus: str, workers: int, policy: str) -> None:
    native, pure = native_source(cpus, None), _pure.Source("/", cpus, None)
    assert pure.cpu_count(policy, workers) == native.cpu_count(policy, workers)


@given(
    st.floats(min_value=0.001, max_value=300).map(lambda cpus: f"{cpus:.3f}"),
    st.integers(min_value=1, max_value=100),
)
def test_more_workers_never_get_more_each_and_rounding_up_never_gives_less(cpus: str, workers: int) -> None:
    for source in (native_source(cpus, None), _pure.Source("/", cpus, None)):
        down, up = source.cpu_count("latency", workers), source.cpu_count("throughput", workers)
        assert 1 <= down <= up <= down + 1
        assert source.cpu_count("latency", workers + 1) <= down
        assert source.cpu_count("throughput", workers + 1) <= up


def test_what_it_cannot_know_is_none_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_resources, "_source", _pure.Source())
    monkeypatch.setattr(_resources, "NATIVE", False)
    found = dunnage.limits()
    assert not found.native
    assert (found.hierarchy, found.cpu.confidence, found.memory.confidence) == ("none", "affinity", "unknown")
    assert found.cpu.effective == found.cpu.affinity == dunnage.cpu_count()
    assert any("reads no cgroup" in note for note in found.notes)
    assert dunnage.cpu_limit() is None
    assert dunnage.memory() == dunnage.Memory(*[None] * len(dunnage.Memory._fields))
    assert dunnage.throttling() == dunnage.Throttling(None, None, None, None)
    assert dunnage.pressure() == ((None, None),) * 3
    assert dunnage.limits_changed(found) is None


def test_on_another_system_the_cpus_of_the_machine_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pure, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert _pure.Source().limits()[1] == (10.0, None, 10, "os.cpu_count", "affinity", None)
    assert _pure.Source().cpu_count("latency", 3) == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert _pure.Source().cpu_count("throughput", 1) == 1


def test_both_have_the_same_methods() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(_pure.Source) == public(type(native_source(None, None)))
