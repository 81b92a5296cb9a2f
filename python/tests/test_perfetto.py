"""A recording opened with Perfetto's own messages: what is written by hand must be what they mean."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from interpreters import environment

PROGRAM = os.environ.get("DUNNAGE_TEST_PROGRAM")

SERVICE = """
import dunnage, threading, time
def serve():
    for number in range(10**6):
        with dunnage.span("request", number):
            sum(range(20000))
        dunnage.mark("served", number)
        time.sleep(0.005)
threading.Thread(target=serve, name="server", daemon=True).start()
print("up", flush=True)
while True:
    sum(range(100000))
"""


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    trace = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    if PROGRAM is None:
        pytest.skip("needs DUNNAGE_TEST_PROGRAM, as `cargo xtask test` sets it")
    file = tmp_path_factory.mktemp("perfetto") / "a.pftrace"
    record(file)
    found = trace.Trace()
    found.ParseFromString(file.read_bytes())
    # a field that the messages do not have would be kept apart, and lost when written again
    again = trace.Trace()
    again.CopyFrom(found)
    again.DiscardUnknownFields()
    assert again == found
    assert len(found.packet) > 100
    return list(found.packet)


def record(file: Path) -> None:
    service = subprocess.Popen([sys.executable, "-c", SERVICE], env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout is not None
        assert service.stdout.readline() == "up\n"
        assert PROGRAM is not None
        words = [PROGRAM, "record", "--duration", "1s", "--pid", str(service.pid), "-o", str(file)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"cannot record here: {done.stderr.strip()}")
    finally:
        service.kill()
        service.wait()
        if service.stdout is not None:
            service.stdout.close()


def test_each_event_is_on_a_track_that_was_described_before(packets: list[Any]) -> None:
    described = set()
    for packet in packets:
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid not in described
            assert not track.HasField("parent_uuid") or track.parent_uuid in described
            described.add(track.uuid)
        elif packet.HasField("track_event"):
            assert packet.track_event.track_uuid in described
            assert packet.timestamp > 0
        else:
            raise AssertionError(packet)


def test_slices_of_a_track_begin_and_end_and_never_overlap(packets: list[Any]) -> None:
    names = interned(packets)
    last: dict[int, int] = defaultdict(int)
    is_open: dict[int, bool] = defaultdict(bool)
    for event, time in events(packets):
        if event.type in (event.TYPE_SLICE_BEGIN, event.TYPE_SLICE_END):
            begins = event.type == event.TYPE_SLICE_BEGIN
            assert is_open[event.track_uuid] != begins
            is_open[event.track_uuid] = begins
            assert time >= last[event.track_uuid]
            last[event.track_uuid] = time
            assert not begins or names[event.name_iid]
    assert last
    assert not any(is_open.values())


def test_what_the_application_marked_is_there_with_its_numbers(packets: list[Any]) -> None:
    names = interned(packets)
    tracks = {
        packet.track_descriptor.uuid: packet.track_descriptor for packet in packets if packet.track_descriptor.uuid
    }
    requests, moments = [], []
    for event, _ in events(packets):
        track = tracks[event.track_uuid]
        numbers = [note.uint_value for note in event.debug_annotations if note.HasField("uint_value")]
        if track.name == "requests" and event.type == event.TYPE_SLICE_BEGIN:
            assert names[event.name_iid] == "request"
            assert tracks[track.parent_uuid].thread.thread_name == "server"
            requests.extend(numbers)
        if track.name == "marks":
            assert names[event.name_iid] == "served"
            moments.extend(numbers)
    assert len(requests) > 5
    assert requests == sorted(set(requests))
    assert set(moments) & set(requests)
    assert "GIL" in {track.name for track in tracks.values()}


def events(packets: list[Any]) -> list[tuple[Any, int]]:
    return [(packet.track_event, packet.timestamp) for packet in packets if packet.HasField("track_event")]


def interned(packets: list[Any]) -> dict[int, str]:
    return {name.iid: name.name for packet in packets for name in packet.interned_data.event_names}
