"""File systems of a test's own, made as root: one whose power can be cut, and one that is full whenever the test says."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

from .waiting import wait_until

# Linux, fs/ext4/ext4.h: the file system stops as if its power had been cut. What the journal has not written is lost.
_EXT4_IOC_SHUTDOWN = 0x8004587D
_EXT4_GOING_FLAGS_NOLOGFLUSH = 2


def _run(*command):
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, f"{' '.join(map(str, command))}: {ended.stderr}"


class _Volume:
    """A file system mounted at `directory`, which is made when absent."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.directory.chmod(0o711)

    def hold(self, folder):
        """Moves what a stopped server keeps in `folder` to here; a link stays in its place."""
        folder = Path(folder)
        place = self.directory / f"{folder.parent.name}-{folder.name}"
        # cp and not shutil: owners belong to what is copied.
        _run("cp", "-a", folder, place)
        shutil.rmtree(folder)
        folder.symlink_to(place)
        os.sync()

    def unmount(self):
        # A process that was killed may take a moment to let go of its files.
        wait_until(lambda: _run("umount", self.directory) is None, f"{self.directory} being unmounted")

    def discard(self):
        if os.path.ismount(self.directory):
            self.unmount()
        self.directory.rmdir()


class Disk(_Volume):
    """ext4 on a loop device: `cut` is its power failing, `mend` lets it come back as its journal has it."""

    def __init__(self, directory, megabytes=1024):
        super().__init__(directory)
        self.image = self.directory.with_suffix(".image")
        with open(self.image, "wb") as image:
            image.truncate(megabytes << 20)
        _run("mkfs.ext4", "-q", "-F", self.image)
        self._mount()

    def _mount(self):
        _run("mount", "-o", "loop", self.image, self.directory)
        self.directory.chmod(0o711)

    def cut(self):
        """Nothing reaches it any more: every write and every fsync from now on fails."""
        opened = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(opened, _EXT4_IOC_SHUTDOWN, struct.pack("I", _EXT4_GOING_FLAGS_NOLOGFLUSH))
        finally:
            os.close(opened)

    def mend(self):
        """Whoever used it has ended."""
        self.unmount()
        self._mount()

    def discard(self):
        super().discard()
        self.image.unlink()


class SmallDisk(_Volume):
    """tmpfs of a bounded size: `fill` takes all the room that is left, `empty` gives it back."""

    def __init__(self, directory, megabytes=512):
        super().__init__(directory)
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "tmpfs", self.directory)

    @property
    def _ballast(self):
        return self.directory / "ballast"

    def fill(self, leave_bytes=0):
        room = os.statvfs(self.directory)
        wanted = max(0, room.f_bavail * room.f_frsize - leave_bytes)
        with open(self._ballast, "wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while wanted > 0:
                wanted -= ballast.write(bytes(min(wanted, 1 << 20)))
            # What others gave back meanwhile is taken as well, page by page, until it is refused.
            while leave_bytes == 0:
                ballast.write(bytes(4096))

    def empty(self):
        self._ballast.unlink(missing_ok=True)
