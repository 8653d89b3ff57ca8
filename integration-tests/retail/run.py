"""The year of retail, from the data set through the HTTP front to the read models, and back to the data set.

    python run.py [--sample N] [--closed N]

Starts servers of its own on free ports, sends the products, the stock and the baskets with `daybook load`, waits for the
views, compares everything with the data set, and verifies the log. `make retail` runs the whole year.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.daybook import BINARY, Daybook  # noqa: E402
from harness.processes import clean_environment  # noqa: E402
from harness.stack import Stack  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

HERE = Path(__file__).parent
VIEWS_WITHIN_S = 300


def step(text: str) -> None:
    print(f"== {text}", flush=True)


def run(*command, **options) -> None:
    ended = subprocess.run([str(part) for part in command], **options)
    if ended.returncode != 0:
        raise SystemExit(f"{Path(str(command[0])).name} {command[1]} ended with {ended.returncode}")


def load(daybook: Daybook, kind: str, file: Path, closed: int, report: Path) -> None:
    run(
        BINARY, "load", file, "--kind", kind, "--url", daybook.url, "--closed", closed, "--report", report,
        env=clean_environment(daybook.environment()),
    )  # fmt: skip


def views_have_seen_all(daybook: Daybook) -> bool:
    """Whether every view stands at the end of the log, and has set nothing aside."""
    figures = metrics(daybook)
    lags = [value for name, value in figures.items() if name.startswith("daybook_projection_lag_events{")]
    parked = [value for name, value in figures.items() if name.startswith("daybook_projection_parked{")]
    return len(lags) == 5 and not any(lags) and not any(parked)


def metrics(daybook: Daybook) -> dict[str, float]:
    text = httpx.get(f"{daybook.url}/metrics", timeout=10).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def resident_mib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    raise AssertionError("no VmRSS")


def compare(daybook: Daybook, sample: int | None, *more: str) -> None:
    arguments = [sys.executable, HERE / "compare.py", "--postgres", daybook.sql.connection_string, *more]
    run(*arguments, *(["--sample", sample] if sample else []))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--closed", type=int, default=256, help="requests in flight")
    arguments = parser.parse_args()
    stack = Stack()
    daybook = None
    with tempfile.TemporaryDirectory(prefix="daybook-retail-") as folder:
        files = Path(folder)
        try:
            step("reading the data set")
            run(sys.executable, HERE / "prepare.py", files, *(["--sample", arguments.sample] if arguments.sample else []))
            step("starting the servers")
            stack.up()
            daybook = Daybook(stack, name="retail").install().start()
            began = time.monotonic()
            for kind in ("products", "stock", "baskets"):
                step(f"sending the {kind}")
                load(daybook, kind, files / f"{kind}.jsonl", arguments.closed, files / f"{kind}.report.json")
            step("waiting for the views")
            wait_until(lambda: views_have_seen_all(daybook), "the views to see all", VIEWS_WITHIN_S, pause=0.5)
            print(f"the year took {time.monotonic() - began:.0f} s; daybook serve holds {resident_mib(daybook.service.pid)} MiB")
            step("comparing with the data set")
            compare(daybook, arguments.sample)
            step("verifying the log")
            run(BINARY, "verify", env=clean_environment(daybook.environment()))
        finally:
            if daybook is not None:
                daybook.discard()
            stack.discard()


if __name__ == "__main__":
    main()
