"""What Daybook stands on, measured without it: Kafka's transactions, PostgreSQL's statements, one event loop."""

import os
import re
import struct
import subprocess
from pathlib import Path

import httpx
from harness.daybook import BINARY
from harness.ports import free_port
from harness.processes import Process
from harness.sql import Sql

HERE = Path(__file__).parent
PROGRAMS = BINARY.parent / "bench"
PG_BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), Path("/usr/bin"))
DATABASE = "daybook"  # the stack's own, beside the installation's
PGBENCH_SCALE = 5
COPIED_ROWS = 200_000
COPIED_DOCUMENT_BYTES = 900  # as an order of two lines has


def output(*command, **options) -> str:
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if ended.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout


def wrk(url: str, seconds: int, connections: int, *more) -> float:
    """Answers a second; an answer that is neither 2xx nor 3xx, or a broken connection, is a failure."""
    said = output("wrk", "-t1", f"-c{connections}", f"-d{seconds}", *more, url)
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"wrk {url}: {said}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


class Limits:
    def __init__(self, stack, kafka, folder: Path, shards: int, seconds: int):
        self.stack, self.kafka, self.folder, self.shards, self.seconds = stack, kafka, folder, shards, seconds
        self.address = ["-h", "127.0.0.1", "-p", str(stack.postgres_port), "-U", "daybook"]
        self.hello = None
        self.loops = 0

    def prepare(self) -> None:
        output(PG_BIN / "pgbench", "-i", "-q", "-s", PGBENCH_SCALE, *self.address, DATABASE)
        output(PG_BIN / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", HERE / "checkout.sql", *self.address, DATABASE)
        self._write_copy_file()
        port = free_port()
        self.hello_url = f"http://127.0.0.1:{port}/"
        self.hello = Process("hello_loop", [PROGRAMS / "hello_loop", port], self.folder / "hello.log").start()
        self.hello.wait_ready(lambda: httpx.get(self.hello_url, timeout=5).status_code == 200)

    def close(self) -> None:
        if self.hello is not None:
            self.hello.kill()

    # ---- Kafka

    def _bare_loop(self, *arguments) -> float:
        self.loops += 1
        prefix = f"bare{self.loops}"
        said = output(PROGRAMS / "bare_loop", self.stack.brokers, prefix, self.shards, *arguments)
        self.kafka.delete_topics(f"{prefix}.")
        return float(said)

    def bare_backlog(self, records: int, in_flight: int) -> float:
        """Records a second."""
        return self._bare_loop("backlog", records, in_flight)

    def bare_alone(self, records: int = 300) -> float:
        """Milliseconds."""
        return self._bare_loop("alone", records)

    # ---- PostgreSQL

    def _pgbench(self, clients: int, *arguments, waits: bool = True) -> float:
        """`waits`: a commit is answered when it is on the disk; else as the broker's acknowledgement, before it is."""
        said = output(
            PG_BIN / "pgbench", "-n", "-M", "prepared", f"-c{clients}", "-j2", f"-T{self.seconds}", *arguments,
            *self.address, DATABASE, env=os.environ | {"PGOPTIONS": f"-c synchronous_commit={'on' if waits else 'off'}"},
        )  # fmt: skip
        return float(re.search(r"tps = ([\d.]+)", said)[1])

    def select(self) -> float:
        """Rows read by their key, a second."""
        return self._pgbench(8, "-S")

    def checkouts(self, waits: bool = True) -> float:
        return self._pgbench(16, "-f", HERE / "uniform.pgbench", waits=waits)

    def hot_checkouts(self, waits: bool = True) -> float:
        return self._pgbench(64, "-f", HERE / "hot.pgbench", waits=waits)

    def _write_copy_file(self) -> None:
        """PostgreSQL's binary COPY format: its manual, "COPY", "Binary Format"."""

        def field(value: bytes) -> bytes:
            return struct.pack(">i", len(value)) + value

        document = b'{"lines":"' + b"0123456789abcdef" * (COPIED_DOCUMENT_BYTES // 16) + b'"}'
        tail = field(b"confirmed") + field(struct.pack(">q", 12345)) + field(struct.pack(">q", 0)) + field(document)
        with (self.folder / "copied.bin").open("wb") as out:
            out.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
            for i in range(COPIED_ROWS):
                out.write(struct.pack(">h", 5) + field(b"ord_01ARZ3NDEKTSV4RRFFQ%08d.1" % i) + tail)
            out.write(struct.pack(">h", -1))

    def copy(self) -> float:
        """Rows a second."""
        Sql(self.stack.postgres()).run("TRUNCATE plain.copied")
        file = self.folder / "copied.bin"
        said = output(
            PG_BIN / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", "\\timing on",
            "-c", f"\\copy plain.copied FROM '{file}' WITH (FORMAT binary)", *self.address, DATABASE,
        )  # fmt: skip
        return COPIED_ROWS / (float(re.search(r"Time: ([\d.]+) ms", said)[1]) / 1000)

    # ---- the event loop

    def hello_world(self, connections: int) -> float:
        return wrk(self.hello_url, self.seconds, connections)
