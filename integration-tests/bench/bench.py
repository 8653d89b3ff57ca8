"""make bench: Daybook beside the limits of what it stands on, measured in turn in one run.

    python bench.py [--rounds N] [--seconds S] [--warm-up S] [--shards N] [--in-flight N] [--flush] [--only TEXT]

Broker, database, provider's double and load share this machine. Each round measures every limit and every figure of
Daybook once, one after the other, so that what the machine does meanwhile meets all alike; medians and spreads over the
rounds are printed, and written with all rounds to build/bench.json. The broker leaves fsync to the kernel, PostgreSQL has
its defaults; --flush has the broker fsync each write. --only measures what has TEXT in its name, and its limit.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import table  # noqa: E402
from figures import Figures, Sampler  # noqa: E402
from harness.daybook import Daybook  # noqa: E402
from harness.stack import NEVER_FLUSH, ROOT, Stack  # noqa: E402
from limits import Limits  # noqa: E402

CONNECTIONS = 64
CONNECTIONS_MAX = 10_500  # the front's: a crowd of 10,000 and whoever looks at it
BARE_RECORDS = {256: 40_000, 4096: 400_000}
BACKLOG_COMMANDS = {256: 40_000, 4096: 200_000}


class Round:
    """One turn of everything; `wanted` says what."""

    def __init__(self, limits: Limits, figures: Figures, wanted, values: dict[str, list[float]]):
        self.limits, self.figures, self.wanted, self.values = limits, figures, wanted, values

    def note(self, name: str, value: float) -> None:
        row = table.BY_NAME[name]
        self.values.setdefault(name, []).append(value)
        print(f"  {name:60} {table.number(value):>12} {row.unit}", flush=True)

    def measure(self, name: str, how, *arguments) -> None:
        if self.wanted(name):
            self.note(name, how(*arguments))

    def run(self) -> None:
        limits, figures = self.limits, self.figures
        self.measure(table.BARE_ALONE, limits.bare_alone)
        self.measure("one cart command alone over HTTP, p50", lambda: figures.cart_updates(1)["latency_ms"]["update"]["p50"])
        for in_flight, limit in ((256, table.BARE_256), (4096, table.BARE_4096)):
            name = f"handler alone, backlog of cart commands, {in_flight:,} in flight"
            self.measure(limit, limits.bare_backlog, BARE_RECORDS[in_flight], in_flight)
            self.measure(name, figures.backlog, BACKLOG_COMMANDS[in_flight], in_flight)
        self.measure("cart updates over HTTP", lambda: figures.cart_updates(figures.in_flight)["rate_per_s"])
        self.measure(table.PLAIN, limits.checkouts)
        self.measure(table.PLAIN_ASYNC, limits.checkouts, False)
        self.checkouts()
        self.measure(table.PLAIN_HOT, limits.hot_checkouts)
        self.measure(table.PLAIN_HOT_ASYNC, limits.hot_checkouts, False)
        self.measure("checkouts that all want one SKU", lambda: figures.checkouts(figures.hot, "--closed", figures.in_flight)[1])
        self.measure("baskets: a cart is made and checked out", lambda: figures.baskets()["rate_per_s"])
        self.measure(table.SELECT, limits.select)
        self.measure("GET /v1/orders/{id}, different ones in turn", figures.orders_by_id, CONNECTIONS)
        self.measure(table.HELLO, limits.hello_world, CONNECTIONS)
        self.measure("GET answered 304", figures.not_modified, CONNECTIONS)
        self.measure(table.COPY, limits.copy)
        self.measure("rebuild of the view of orders", figures.rebuild)
        if figures.daybook.settings["shards"] == 1:
            self.measure("state restored from the log", figures.restore)

    def checkouts(self) -> None:
        name = "checkouts of two lines confirmed over HTTP"
        if not self.wanted(name):
            return
        figures = self.figures
        with Sampler(figures.daybook) as seen:
            report, peak = figures.checkouts(figures.uniform, "--closed", figures.in_flight)
        self.note("carts of two lines made over HTTP", figures.carts_per_s)
        self.note(name, peak)
        self.note("their p99", report["latency_ms"]["checkout"]["p99"])
        self.note("lag of a view at the peak, at most", seen.lag_s)
        self.note("memory of daybook serve at the peak", seen.mib)
        half, _ = figures.checkouts(figures.uniform, "--rate", peak / 2, per_second=peak / 2 + 10)
        self.note("their p99 at half of peak, open loop", half["latency_ms"]["checkout"]["p99"])

    def run_once(self) -> None:
        figures = self.figures
        self.measure("memory of the service for each open cart", figures.open_carts)
        if self.wanted("10,000 shoppers connected, each acting every 5 s: p99"):
            crowd = figures.crowd()
            self.note("10,000 shoppers connected, each acting every 5 s: p99", crowd["p99"])
            self.note("10,000 shoppers: errors", crowd["errors"])
            self.note("10,000 shoppers: memory for each connection", crowd["kib"])
        if self.wanted("5,000 clients follow one SKU: a change is told, p99"):
            followed = figures.followers()
            self.note("5,000 clients follow one SKU: a change is told, p99", followed["p99"])
            self.note("5,000 clients follow: memory for each", followed["kib"])
        self.measure("search over 92,331 products: p99", figures.search)


def wanted_by(only: str | None):
    if only is None:
        return lambda name: True
    names = {row.name for row in table.ROWS if only in row.name}
    names |= {table.BY_NAME[name].limit for name in names}
    return lambda name: name in names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--warm-up", type=int, default=45)
    parser.add_argument("--shards", type=int, default=1, help="of the installation; docs/performance.md tells why 1")
    parser.add_argument("--in-flight", type=int, default=512, help="requests at once, at the peak")
    parser.add_argument("--flush", action="store_true")
    parser.add_argument("--only")
    arguments = parser.parse_args()
    durability = {
        "broker": "one, acks=all, " + ("fsync of each write" if arguments.flush else "fsync left to the kernel"),
        "PostgreSQL": "its defaults: fsync and synchronous_commit on",
        "views": "synchronous_commit off: they are made again from the log",
        "shards": arguments.shards,
    }
    stack = Stack({"DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES": "1" if arguments.flush else NEVER_FLUSH})
    values: dict[str, list[float]] = {}
    daybook = limits = None
    with tempfile.TemporaryDirectory(prefix="daybook-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            stack.up()
            daybook = Daybook(stack, name="bench", shards=arguments.shards, http_connections_max=CONNECTIONS_MAX).install().start()
            limits = Limits(stack, daybook.kafka, folder, arguments.shards, arguments.seconds)
            figures = Figures(daybook, folder, arguments.seconds, arguments.in_flight)
            limits.prepare()
            figures.prepare()
            figures.warm_up(arguments.warm_up)
            for number in range(arguments.rounds):
                print(f"round {number + 1} of {arguments.rounds}; load average {os.getloadavg()[0]:.1f}", flush=True)
                turn = Round(limits, figures, wanted_by(arguments.only), values)
                turn.run()
            print("once", flush=True)
            turn.run_once()
        finally:
            if limits is not None:
                limits.close()
            if daybook is not None:
                daybook.discard()
            stack.discard()
    rows = table.summarize(values)
    print("\n" + "; ".join(f"{what}: {how}" for what, how in durability.items()))
    print(f"{'median of the rounds':60} {'':10} {'':12} {'lowest to highest':>22} {'ratio':>6}  asked")
    for row in rows:
        print(table.told(row))
    table.write(ROOT / "build" / "bench.json", durability, rows)


if __name__ == "__main__":
    main()
