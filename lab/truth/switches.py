"""Every switch of every CPU, and which threads the kernel throttled: lines `NANOSECONDS CPU PREVIOUS NEXT READY THROTTLED`.

A BPF program on the raw tracepoint sched_switch notes them in a queue in the kernel; nothing of it outlives this process. From Linux 6.18 on a
thread is throttled by itself, on its way back to user space, and `task_struct.throttled` says so when it leaves the CPU: no file of
tracefs shows that. Nor does tracefs show every switch everywhere: in a virtual machine with two CPUs its event missed those out of idle on one
of them, which this program saw, and the threads' own counters too.

Prints `ready` (`ready unflagged` before 6.18), watches until its standard input ends, then prints the lines. Exit code 3: it cannot be had
here, 1: the queue was too small; the reason stands on standard error.
"""

import ctypes
import os
import platform
import struct
import sys

CALLS = {"x86_64": 321, "aarch64": 280}
MAP_CREATE, PROG_LOAD, RAW_TRACEPOINT_OPEN, LOOKUP_AND_DELETE = 0, 5, 17, 21
QUEUE, RAW_TRACEPOINT = 22, 17
KTIME_GET_NS, PROCESSOR_ID, MAP_PUSH, PROBE_READ_KERNEL = 5, 8, 87, 113
# of 24 bytes each; a busy machine of two CPUs makes 20,000 a second
ENTRIES = 1 << 20
ENTRY = struct.Struct("<QiiHBB4x")
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, layout, *fields):
    """One call of bpf(2) with these fields of its union."""
    size = 128
    attributes = ctypes.create_string_buffer(struct.pack(layout, *fields), size)
    result = libc.syscall(CALLS[platform.machine()], command, attributes, size)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def find_offsets(wanted):
    """Where members of task_struct lie, or None, from the kernel's description of its own types."""
    with open("/sys/kernel/btf/vmlinux", "rb") as file:
        data = file.read()
    _, _, _, header, types, length, names, _ = struct.unpack_from("<HBBIIIII", data)
    at, end, names = header + types, header + types + length, header + names

    def name(offset):
        return data[names + offset : data.index(b"\0", names + offset)].decode()

    # bytes that follow the first twelve: as many for each kind, or for each of its members
    fixed, each = {1: 4, 3: 12, 14: 4, 17: 4}, {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
    while at < end:
        label, info, _ = struct.unpack_from("<III", data, at)
        at += 12
        kind, count = info >> 24 & 31, info & 0xFFFF
        if kind == 4 and name(label) == "task_struct":
            members = (struct.unpack_from("<III", data, at + 12 * index) for index in range(count))
            bits = 0xFFFFFF if info >> 31 else 0xFFFFFFFF
            found = {name(member): (offset & bits) // 8 for member, _, offset in members}
            return [found.get(one) for one in wanted]
        at += fixed.get(kind, 0) + each.get(kind, 0) * count
    raise LookupError("the kernel does not describe task_struct")


def instruction(code, to=0, source=0, offset=0, value=0):
    return struct.pack("<BBhi", code, source << 4 | to, offset, value)


def program(queue, throttled, pid):
    """Assembles what notes one entry: for (preempt, previous, next, state) of the tracepoint."""
    move, add, set_to, call = 0xBF, 0x07, 0xB7, 0x85
    # registers 6 and 7: the two threads; the entry lies below the frame pointer, register 10
    time, previous, following, cpu, ready, flag = -24, -16, -12, -8, -6, -5

    def read(size, task, member, to):
        return [
            instruction(move, 1, 10),
            instruction(add, 1, value=to),
            instruction(set_to, 2, value=size),
            instruction(move, 3, task),
            instruction(add, 3, value=member),
            instruction(call, value=PROBE_READ_KERNEL),
        ]

    code = [
        instruction(0x79, 6, 1, 8),
        instruction(0x79, 7, 1, 16),
        *(instruction(0x7A, 10, offset=word) for word in (time, previous, cpu)),
        # ready: it was preempted, or its state is 0, TASK_RUNNING
        instruction(0x79, 2, 1, 0),
        instruction(0x57, 2, value=0xFF),
        instruction(0x79, 3, 1, 24),
        instruction(0x67, 3, value=32),
        instruction(0x55, 2, offset=1),
        instruction(0x55, 3, offset=1),
        instruction(0x72, 10, offset=ready, value=1),
        *read(4, 6, pid, previous),
        *read(4, 7, pid, following),
        *(read(1, 6, throttled, flag) if throttled else []),
        instruction(call, value=PROCESSOR_ID),
        instruction(0x6B, 10, 0, cpu),
        instruction(call, value=KTIME_GET_NS),
        instruction(0x7B, 10, 0, time),
        instruction(0x18, 1, 1, value=queue),  # the map; takes two slots
        instruction(0),
        instruction(move, 2, 10),
        instruction(add, 2, value=time),
        instruction(set_to, 3),
        instruction(call, value=MAP_PUSH),
        instruction(set_to),
        instruction(0x95),
    ]
    return b"".join(code)


def load(code):
    text, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(65536)
    address = ctypes.addressof
    try:
        loaded = bpf(
            PROG_LOAD,
            "<IIQQIIQ",
            RAW_TRACEPOINT,
            len(code) // 8,
            address(text),
            address(licence),
            1,
            len(log),
            address(log),
        )
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {log.value.decode()}") from error
    name = ctypes.create_string_buffer(b"sched_switch")
    return bpf(RAW_TRACEPOINT_OPEN, "<QI", address(name), loaded)


def drain(queue):
    value = ctypes.create_string_buffer(ENTRY.size)
    while True:
        try:
            bpf(LOOKUP_AND_DELETE, "<I4xQQQ", queue, 0, ctypes.addressof(value), 0)
        except FileNotFoundError:
            return
        yield ENTRY.unpack(value.raw)


def main():
    try:
        queue = bpf(MAP_CREATE, "<IIII", QUEUE, 0, ENTRY.size, ENTRIES)
        throttled, pid = find_offsets(("throttled", "pid"))
        watch = load(program(queue, throttled, pid))
    except (OSError, LookupError, KeyError) as error:
        print(error, file=sys.stderr)
        return 3
    print("ready" if throttled else "ready unflagged", flush=True)
    sys.stdin.read()
    # what is told here would make new entries
    os.close(watch)
    count = 0
    for time, before, after, cpu, ready, flag in drain(queue):
        print(time, cpu, before, after, ready, flag)
        count += 1
    if count >= ENTRIES:
        print("the queue was too small", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
