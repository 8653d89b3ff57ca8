"""Kafka and PostgreSQL, started by the scripts of deploy/local, in a folder and on ports of their own."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .ports import free_port, is_free
from .processes import clean_environment
from .waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "deploy" / "local"
# For the environment of a Stack whose broker leaves fsync to the kernel: a killed process loses nothing, a power cut may.
NEVER_FLUSH = str(2**63 - 1)
# The same of both servers.
UNSAFE = {"DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES": NEVER_FLUSH, "DAYBOOK_LOCAL_POSTGRES_FSYNC": "off"}


class Stack:
    """`up` starts what does not run; what was stored survives `down`. `discard` ends it and removes the folder.

    `proxied` names links to Kafka on which a test's proxy stands: for each the broker listens on a port of its own, and
    tells clients that come this way the proxy's port (`link_ports`).
    """

    def __init__(self, environment=None, proxied=()):
        self.directory = Path(tempfile.mkdtemp(prefix="daybook-stack-"))
        # PostgreSQL runs as a user of its own and has to reach its folder in here.
        self.directory.chmod(0o711)
        self.kafka_port = free_port(neighbours=1)
        self.postgres_port = free_port()
        self._links = {name: (free_port(), free_port()) for name in proxied}
        pairs = " ".join(f"{broker}={proxy}" for proxy, broker in self._links.values())
        self.environment = clean_environment((environment or {}) | {"DAYBOOK_LOCAL_KAFKA_PROXIED": pairs})

    @property
    def brokers(self):
        return f"127.0.0.1:{self.kafka_port}"

    def client_settings(self):
        """What librdkafka needs besides, to speak to the brokers."""
        return {}

    def link_ports(self, name):
        """Where the proxy of this link to Kafka has to listen, and where the broker does behind it."""
        return self._links[name]

    def postgres(self, database="daybook", port=None):
        """A libpq connection string; `port` is that of a proxy."""
        return f"host=127.0.0.1 port={port or self.postgres_port} user=daybook dbname={database}"

    def up(self):
        self._run("stack.sh", "up", self.directory, self.kafka_port, self.postgres_port)
        return self

    def down(self):
        self._run("stack.sh", "down", self.directory)

    def start_kafka(self):
        self._run("kafka.sh", "start", self.directory / "kafka", self.kafka_port)

    def stop_kafka(self):
        self._run("kafka.sh", "stop", self.directory / "kafka")

    def start_postgres(self):
        self._run("postgres.sh", "start", self.directory, self.postgres_port)

    def stop_postgres(self):
        self._run("postgres.sh", "stop", self.directory)

    def kill_kafka(self):
        """kill -9, as when the machine's memory runs out."""
        self._kill(self.directory / "kafka" / "kafka.pid")
        # Its leader thread may be gone before the others, and with them the port, have ended.
        wait_until(lambda: is_free(self.kafka_port), "the end of kafka's port")

    def kill_postgres(self):
        self._kill(self.directory / "postgres.pid")

    def keep_on(self, volume):
        """From now on what the servers store lies on that volume (harness.volumes); their logs stay where they are."""
        self.down()
        volume.hold(self.directory / "kafka" / "data")
        volume.hold(self.directory / "postgres" / "data")
        return self.up()

    def kill(self):
        """kill -9 of both."""
        self.kill_kafka()
        self.kill_postgres()

    def kafka_pid(self):
        return int((self.directory / "kafka" / "kafka.pid").read_text())

    def kafka_pids(self):
        return [self.kafka_pid()]

    def postgres_pid(self):
        return int((self.directory / "postgres.pid").read_text())

    def kafka_runs(self):
        return not _has_ended(self.kafka_pid())

    def discard(self):
        self.down()
        shutil.rmtree(self.directory)

    def _run(self, script, *arguments, environment=None):
        command = [SCRIPTS / script, *map(str, arguments)]
        environment = environment or self.environment
        ended = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == 0, f"{script} failed with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        return ended.stderr

    @staticmethod
    def _kill(pid_file):
        pid = int(pid_file.read_text())
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself, of what a test did to its disk
            os.kill(pid, signal.SIGKILL)
        # Not our child: gone when the kernel no longer knows it, or when it waits for a parent that reaps late.
        wait_until(lambda: _has_ended(pid), f"the end of {pid_file.stem}")


def _has_ended(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"
