"""A share of the processors for a group of processes, by a cgroup of version 2 or 1. Whoever makes one must be root."""

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 50_000


def family(pid):
    """The process and all that descend from it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def cpu_seconds(pids):
    """The processor time that they used so far, and that of their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


class CpuGroup:
    """Its processes together get `processors` at most (1.5: one and a half)."""

    def __init__(self, name, processors):
        is_version_2 = (ROOT / "cgroup.controllers").exists()
        self.folder = (ROOT if is_version_2 else ROOT / "cpu") / f"daybook-{name}-{os.getpid()}"
        self.folder.mkdir()
        quota = str(int(processors * PERIOD_US))
        if is_version_2:
            (self.folder / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            (self.folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.folder / "cpu.cfs_quota_us").write_text(quota)

    @property
    def procs(self):
        return self.folder / "cgroup.procs"

    def take(self, pid):
        """The process and its descendants; what they start later comes with them."""
        for one in family(pid):
            try:
                self.procs.write_text(str(one))
            except ProcessLookupError:
                continue

    def enter(self):
        """For a child that is about to run a program: subprocess's preexec_fn."""
        self.procs.write_text(str(os.getpid()))

    def discard(self):
        """What is left in it goes back to the root."""
        for pid in self.procs.read_text().split():
            try:
                (self.folder.parent / "cgroup.procs").write_text(pid)
            except ProcessLookupError:
                continue
        self.folder.rmdir()
