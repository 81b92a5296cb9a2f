"""What holds on every machine, with and without a native part."""

from __future__ import annotations

import pickle
import re
from typing import Literal, get_args, get_origin

import pytest
from conftest import ROOT

import dunnage


def test_what_the_package_promises_is_there() -> None:
    for name in dunnage.__all__:
        promised = getattr(dunnage, name)
        is_alias = get_origin(promised) is Literal
        assert is_alias or promised.__doc__, name


def test_the_guide_speaks_of_what_is_there() -> None:
    guide = (ROOT / "docs" / "python.md").read_text()
    spoken_of = set(re.findall(r"\bdunnage\.([a-z_]+)\(", guide))
    assert {"cpu_limit", "memory"} <= spoken_of <= set(dunnage.__all__)


def test_counts_are_at_least_1_and_at_most_the_affinity() -> None:
    affinity = dunnage.limits().cpu.affinity
    for policy in get_args(dunnage.Policy):
        for workers in (1, 2, 3, 1000, 10**12):
            assert 1 <= dunnage.cpu_count(policy, workers) <= affinity


def test_a_wrong_argument_says_what_would_be_right() -> None:
    with pytest.raises(ValueError, match="latency, throughput"):
        dunnage.cpu_count("fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 or more"):
        dunnage.cpu_count(workers=0)


def test_results_are_immutable_and_survive_pickle() -> None:
    for result in (dunnage.limits(), dunnage.memory(), dunnage.throttling(), dunnage.pressure()):
        assert pickle.loads(pickle.dumps(result)) == result
        with pytest.raises(AttributeError):
            result.invented = 1  # type: ignore[union-attr]
        assert type(result).__name__ in repr(result)


def test_limits_that_did_not_change_are_not_said_to_have() -> None:
    assert dunnage.limits_changed(dunnage.limits()) is None
