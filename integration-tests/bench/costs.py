"""What work costs: processor time, connections and room on the disk, by part of the system."""

import os
import statistics
from collections.abc import Callable
from pathlib import Path

from harness.cpu_group import cpu_seconds, family
from harness.processes import Process
from harness.stack import Stack

LOAD = "load"


class Spent:
    """`with Spent(...) as spent:` what the servers and `processes`, by their names here, used within the block is then in
    `spent.seconds`; LOAD is what programs used that this one started and that ended within it. `clocks` are further ones, in
    seconds."""

    def __init__(self, stack: Stack, processes: dict[str, Process], clocks: dict[str, Callable[[], float]] | None = None):
        self.clocks = clocks or {}
        self.roots = {name: [process.pid] for name, process in processes.items()}
        self.roots |= {"broker": stack.kafka_pids(), "PostgreSQL": [stack.postgres_pid()]}

    def __enter__(self) -> "Spent":
        self._before = self._now()
        return self

    def __exit__(self, *_) -> None:
        self.seconds = {part: now - self._before[part] for part, now in self._now().items()}

    def ms_each(self, count: float) -> dict[str, float]:
        return {part: seconds * 1000 / count for part, seconds in self.seconds.items()}

    def _now(self) -> dict[str, float]:
        ended = os.times()
        used = {name: sum(cpu_seconds(family(pid)) for pid in pids) for name, pids in self.roots.items()}
        used |= {name: clock() for name, clock in self.clocks.items()}
        return used | {LOAD: ended.children_user + ended.children_system}


def threads_seconds(pid: int, begins: str) -> float:
    """The processor time that the process's threads whose names begin so have used. One that ends takes its own along."""
    ticks = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            before, _, after = stat.read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if before.partition("(")[2].startswith(begins):
            ticks += sum(map(int, after.split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def connections(pid: int, ports: set[int]) -> int:
    """How many TCP connections a process has to these ports."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    there = {f"socket:[{row[9]}]" for row in rows if row[3] == "01" and int(row[2].partition(":")[2], 16) in ports}
    return sum(_target(descriptor) in there for descriptor in Path(f"/proc/{pid}/fd").iterdir())


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # closed meanwhile
        return ""


def disk_bytes(*folders: Path) -> int:
    """What the files in them take; holes in files take nothing."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_blocks * 512 for path in files)


def middle(rounds: list):
    """The median of each figure of dicts that are alike, however deep it lies."""
    if isinstance(rounds[0], dict):
        return {name: middle([one[name] for one in rounds]) for name in rounds[0]}
    return statistics.median(rounds)
