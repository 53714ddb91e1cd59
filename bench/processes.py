"""What the parts of the running stack cost: memory and processor time, by the kernel's own counters."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

import psutil

from ops.installation import Installation
from ops.stack.errors import StackError

LOOP = 10_000_000


def pace() -> float:
    """Seconds that a fixed loop takes here now: the same machine may be half as fast a minute later."""
    begun, total = time.perf_counter(), 0
    for number in range(LOOP):
        total += number
    return time.perf_counter() - begun


def pss() -> dict[str, float]:
    """MiB per part: the proportional set sizes of its processes, so that shared pages count once."""
    return {
        part: _sum(lambda process: process.memory_full_info().pss / 2**20, processes)
        for part, processes in _parts()
    }


def cpu() -> dict[str, float]:
    """Processor seconds per part so far."""
    return {part: _sum(_seconds, processes) for part, processes in _parts()}


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """The difference of two readings, the dearest part first."""
    taken = {part: max(0.0, after[part] - before.get(part, 0.0)) for part in after}
    return dict(sorted(taken.items(), key=lambda item: -item[1]))


def busy_elsewhere(seconds: float = 2.0) -> float:
    """Cores that are in use at the moment; to be asked before anything of ours is started."""
    return sum(psutil.cpu_percent(seconds, percpu=True)) / 100


def _parts() -> Iterator[tuple[str, list[psutil.Process]]]:
    """The parts of the stack in HESHI_HOME, each with its whole tree of processes."""
    state = Installation.current().home.read_state()
    if state is None:
        raise StackError("Nothing runs that could be measured.")
    yield "supervisor", [psutil.Process(state.supervisor)]
    for part in state.parts:
        if part.pid is not None:
            head = psutil.Process(part.pid)
            yield part.name, [head, *head.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    seconds: float = times.user + times.system
    if process.name() == "postgres":  # its backends come and go; those that went are the postmaster's account
        seconds += times.children_user + times.children_system
    return seconds


def _sum(read: Callable[[psutil.Process], float], processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += read(process)
    return total
