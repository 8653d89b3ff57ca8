"""make bench: Daybook beside the limits of what it stands on, measured in turn in one run.

    python bench.py [--rounds N] [--seconds S] [--warm-up S] [--shards N] [--flush]

Broker, database, provider's double and load share this machine. The broker is warmed up first: a young Java spends more on
compiling than on us. Each round measures every limit and every figure of Daybook once, so that what the machine does
meanwhile meets all alike; medians and spreads over the rounds are printed and written to build/bench.json as a list of
{name, value, unit, limit, ratio}, with what `make retail` last left in build/retail. --flush has the broker fsync each write.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.daybook import BINARY, Daybook  # noqa: E402
from harness.processes import clean_environment  # noqa: E402
from harness.stack import NEVER_FLUSH, ROOT, Stack  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

BARE_LOOP = BINARY.parent / "bare_loop"
PG_BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), Path("/usr/bin"))
PRODUCTS = 200
IN_FLIGHT = 64
CARTS_PER_SECOND = 2500  # made ahead for each second of checkouts: more than can be checked out
BARE_RECORDS = 40_000


BARE_LOOP_LIMIT = "limit: bare transactional loop, 256 in flight"
PGBENCH_LIMIT = "limit: pgbench -S prepared, 8 clients"
WRK_LIMIT = "limit: GET /health/live by wrk"
UNITS = {
    BARE_LOOP_LIMIT: "records/s",
    PGBENCH_LIMIT: "transactions/s",
    WRK_LIMIT: "requests/s",
    "two-line checkouts confirmed": "checkouts/s",
    "checkout p50": "ms",
    "checkout p99": "ms",
    "carts of two lines made": "carts/s",
    "baskets: a cart is made and checked out": "baskets/s",
    "basket's checkout p99": "ms",
    "cart updates": "updates/s",
    "GET /v1/orders/{id}": "requests/s",
}


def output(*command, **options) -> str:
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if ended.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout


class Bench:
    def __init__(self, stack: Stack, daybook: Daybook, folder: Path, seconds: int):
        self.stack, self.daybook, self.folder, self.seconds = stack, daybook, folder, seconds
        self.values: dict[str, list[float]] = {}
        self.round = 0

    def note(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)
        print(f"  {name:58} {value:12.1f} {UNITS[name]}", flush=True)

    # ---- limits

    def bare_loop(self, in_flight: int) -> None:
        prefix = f"bare{self.round}x{in_flight}"
        rate = float(output(BARE_LOOP, self.stack.brokers, prefix, BARE_RECORDS, in_flight))
        self.note(BARE_LOOP_LIMIT, rate)

    def wrk(self, name: str, path: str) -> None:
        said = output("wrk", "-t1", f"-c{IN_FLIGHT}", f"-d{self.seconds}", f"{self.daybook.url}{path}")
        self.note(name, float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]))

    def pgbench(self) -> None:
        address = ["-h", "127.0.0.1", "-p", str(self.stack.postgres_port), "-U", "daybook", "daybook"]
        if self.round == 0:
            output(PG_BIN / "pgbench", "-i", "-q", "-s", "5", *address)
        said = output(PG_BIN / "pgbench", "-S", "-M", "prepared", "-c8", "-j2", f"-T{self.seconds}", *address)
        self.note(PGBENCH_LIMIT, float(re.search(r"tps = ([\d.]+)", said)[1]))

    # ---- Daybook

    def load(self, kind: str, file: Path, *more) -> dict:
        report = self.folder / "report.json"
        output(
            BINARY, "load", file, "--kind", kind, "--url", self.daybook.url, "--report", report,
            "--salt", f"round-{self.round}", *more, env=clean_environment(self.daybook.environment()),
        )  # fmt: skip
        return json.loads(report.read_text())

    def warm_up(self, file: Path, seconds: int) -> None:
        journal = self.folder / "journal-warm-up.jsonl"
        self.load("baskets", file, "--closed", IN_FLIGHT, "--duration", seconds, "--journal", journal)

    def checkouts(self, file: Path) -> None:
        """Checkouts of carts that stand there, as shoppers make them before they pay."""
        carts, orders = (self.folder / f"{name}-{self.round}.jsonl" for name in ("carts", "orders"))
        enough = str(CARTS_PER_SECOND * self.seconds)
        report = self.load("carts", file, "--closed", IN_FLIGHT, "--max", enough, "--journal", carts)
        self.note("carts of two lines made", report["rate_per_s"])
        wait_until(self.daybook.views_have_seen_all, "the views")
        report = self.load(
            "checkouts", carts, "--closed", IN_FLIGHT, "--duration", self.seconds, "--journal", orders
        )  # fmt: skip
        if report["duration_s"] < self.seconds:
            raise SystemExit(f"{enough} carts were checked out before the time was over: make more")
        self.note("two-line checkouts confirmed", report["outcomes"].get("confirmed", 0) / report["duration_s"])
        self.note("checkout p50", report["latency_ms"]["checkout"]["p50"])
        self.note("checkout p99", report["latency_ms"]["checkout"]["p99"])

    def baskets(self, file: Path) -> None:
        journal = self.folder / f"baskets-{self.round}.jsonl"
        report = self.load("baskets", file, "--closed", IN_FLIGHT, "--duration", self.seconds, "--journal", journal)
        confirmed = report["outcomes"].get("confirmed", 0)
        self.note("baskets: a cart is made and checked out", confirmed / report["duration_s"])
        self.note("basket's checkout p99", report["latency_ms"]["checkout"]["p99"])

    def cart_updates(self, file: Path) -> None:
        report = self.load("cart-updates", file, "--closed", IN_FLIGHT, "--duration", self.seconds)
        self.note("cart updates", report["rate_per_s"])

    def order_reads(self) -> None:
        order = self.daybook.sql.value("SELECT id FROM orders.orders ORDER BY id LIMIT 1")
        self.wrk("GET /v1/orders/{id}", f"/v1/orders/{order}")


def write_files(folder: Path) -> tuple[Path, Path, Path]:
    """Products with stock that no run empties, and baskets of two lines spread over them."""
    products, stock, baskets = (folder / f"{name}.jsonl" for name in ("products", "stock", "baskets"))
    with products.open("w") as out:
        for i in range(PRODUCTS):
            price = {"amount": 100 + i, "currency": "EUR"}
            product = {"title": f"Thing {i}", "variants": [{"sku": f"BENCH-{i}", "price": price}], "publish": True}
            out.write(json.dumps(product) + "\n")
    with stock.open("w") as out:
        for i in range(PRODUCTS):
            out.write(json.dumps({"sku": f"BENCH-{i}", "location": "main", "quantity": 900_000_000}) + "\n")
    with baskets.open("w") as out:
        for i in range(200_000):
            lines = [{"sku": f"BENCH-{(i * 7 + k * 31) % PRODUCTS}", "quantity": 1 + k} for k in range(2)]
            out.write(json.dumps({"reference": f"b{i}", "currency": "EUR", "lines": lines}) + "\n")
    return products, stock, baskets


# What each figure of Daybook is held against, and what the first issue asks of it.
AGAINST = {
    "two-line checkouts confirmed": (BARE_LOOP_LIMIT, 1000),
    "carts of two lines made": (BARE_LOOP_LIMIT, None),
    "baskets: a cart is made and checked out": (BARE_LOOP_LIMIT, None),
    "basket's checkout p99": (None, None),
    "cart updates": (BARE_LOOP_LIMIT, 3000),
    "GET /v1/orders/{id}": (PGBENCH_LIMIT, 10000),
    "checkout p99": (None, 250),
    "checkout p50": (None, None),
}


def summarize(values: dict[str, list[float]], shards: int, flush: bool) -> list[dict]:
    rows = []
    print(f"\n{shards} shard(s); broker flushes each write: {'yes' if flush else 'no'}; acks=all, one broker; median (lowest to highest)")
    for name, found in values.items():
        limit, asked = AGAINST.get(name, (None, None))
        median = statistics.median(found)
        row = {"name": name, "value": median, "unit": UNITS[name], "limit": None, "ratio": None}
        if limit:
            row["limit"] = statistics.median(values[limit])
            row["ratio"] = median / row["limit"]
        row |= {"lowest": min(found), "highest": max(found), "asked": asked, "shards": shards, "flush": flush}
        rows.append(row)
        ratio = f"{row['ratio']:.2f} of its limit" if row["ratio"] else ""
        wish = f"(asked for {asked})" if asked else ""
        print(f"  {name:58} {median:10.1f} ({min(found):.1f} to {max(found):.1f}) {ratio} {wish}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=45)
    parser.add_argument("--shards", type=int, default=1, help="of the installation; docs/performance.md tells why 1")
    parser.add_argument("--flush", action="store_true")
    arguments = parser.parse_args()
    stack = Stack({"DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES": "1" if arguments.flush else NEVER_FLUSH})
    daybook = None
    with tempfile.TemporaryDirectory(prefix="daybook-bench-") as name:
        folder = Path(name)
        try:
            stack.up()
            daybook = Daybook(stack, name="bench", shards=arguments.shards).install().start()
            bench = Bench(stack, daybook, folder, arguments.seconds)
            products, stock, baskets = write_files(folder)
            bench.load("products", products, "--closed", IN_FLIGHT)
            bench.load("stock", stock, "--closed", IN_FLIGHT)
            bench.round = "warm-up"
            bench.warm_up(baskets, arguments.warm_up)
            for bench.round in range(arguments.rounds):
                print(f"round {bench.round + 1} of {arguments.rounds}; load average {os.getloadavg()[0]:.1f}", flush=True)
                bench.bare_loop(256)
                bench.checkouts(baskets)
                bench.baskets(baskets)
                bench.cart_updates(baskets)
                bench.pgbench()
                bench.order_reads()
                bench.wrk(WRK_LIMIT, "/health/live")
            rows = summarize(bench.values, arguments.shards, arguments.flush)
            retail = ROOT / "build" / "retail" / "figures.json"
            rows += json.loads(retail.read_text()) if retail.exists() else []
            (ROOT / "build" / "bench.json").write_text(json.dumps(rows, indent=1) + "\n")
        finally:
            if daybook is not None:
                daybook.discard()
            stack.discard()


if __name__ == "__main__":
    main()
