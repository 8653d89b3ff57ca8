"""One child process: its log, its signals, its end."""

import ctypes
import json
import os
import pwd
import signal
import subprocess
from pathlib import Path

from .waiting import Overdue, wait_until

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Whoever starts tests in the background may have them ignore Ctrl-C, which a child inherits.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def clean_environment(extra=None):
    """This process's environment without the caller's own Daybook settings, and with leave for root to serve, who runs the
    tests; whoever sets `development` to false lets another user serve (Daybook.user)."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DAYBOOK_") or name.startswith("DAYBOOK_LOCAL_") or name == "DAYBOOK_KAFKA_LIBS"
    }
    return kept | {"DAYBOOK_DEVELOPMENT": "true"} | (extra or {})


def is_stopped(pid):
    """Whether SIGSTOP has reached every thread."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)


def memory_mib(pid, kind="RssAnon"):
    """What a process holds itself; "VmRSS" is with the pages of files (LMDB's) that the kernel caches for it, and "VmHWM" the
    most that this was. Of a process that has just ended it is 0."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        fields = dict(line.split(":", 1) for line in status if ":" in line)
    return int(fields.get(kind, "0").split()[0]) // 1024


class Process:
    """A program that runs until it is told to stop. Standard output and error go to the end of `log_path`. It may be given
    to another `user`, which root alone can do, and begin in another `directory`, where a core file would go."""

    def __init__(self, name, command, log_path, environment=None, user=None, directory=None):
        self.name = name
        self.command = [str(part) for part in command]
        self.log_path = log_path
        self.environment = environment or {}
        self.user = user
        self.directory = directory
        self._child = None

    def start(self, new_session=False):
        """In a session of its own it is the leader of a process group, which can be signalled like a terminal's."""
        assert not self.is_running(), f"{self.name} runs already"
        as_user = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []} if self.user else {}
        with open(self.log_path, "ab") as log:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(self.environment),
                preexec_fn=_die_with_parent,
                start_new_session=new_session,
                cwd=self.directory,
                **as_user,
            )
        return self

    @property
    def pid(self):
        return self._child.pid

    def is_running(self):
        return self._child is not None and self._child.poll() is None

    def wait_ready(self, is_ready, seconds=30.0):
        """Polls `is_ready`; a process that ends meanwhile is a failure at once, told with its log's end."""

        def ready_or_ended():
            return not self.is_running() or is_ready()

        try:
            wait_until(ready_or_ended, f"{self.name} getting ready", seconds)
        except Overdue as overdue:
            raise Overdue(f"{overdue}\n{self.log_end()}") from None
        if not self.is_running():
            raise AssertionError(f"{self.name} ended with {self._child.returncode}\n{self.log_end()}")

    def signal(self, number):
        self._child.send_signal(number)

    def memory_mib(self, kind="RssAnon"):
        return memory_mib(self.pid, kind)

    def stop(self, seconds=30.0):
        """SIGTERM, and the exit code. A process that does not end in time is killed, and that is a failure."""
        if self._child is None:
            return None
        if self.is_running():
            self._child.terminate()
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Overdue(f"{self.name} did not stop within {seconds:g} s\n{self.log_end()}") from None

    def kill(self):
        """kill -9."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def wait(self, seconds=30.0):
        """The exit code of a process that ends by itself."""
        return self._child.wait(seconds)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def says(self, role, message, **more):
        """Whether a JSON line of its log says so; `more` names other members of it."""
        wanted = {"role": role, "message": message} | more
        for line in self.log().splitlines():
            if line.startswith("{") and line.endswith("}") and wanted.items() <= json.loads(line).items():
                return True
        return False

    def log_end(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])
