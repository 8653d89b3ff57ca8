"""make growth: what an order costs as the log grows.

    python growth.py [--sizes N,N,...] [--rounds N] [--in-flight N] [--rate N] [--plot FILE] [--without-views]

One installation of one shard, whose orders are baskets that `daybook load` buys over HTTP as fast as they go: nothing is
put into the log but by the handler. At each size it is weighed, and measured in turn with a young installation beside it
on the same servers, made anew for each size with as many orders as the first: what the machine does meanwhile meets both.
Then the view of orders is rebuilt, and the state restored from the log. Measuring adds orders; what is told is how many
there were before. Broker and database as for make bench. Prints a table and by how much the cost of an order is not flat;
writes build/growth.json and the plot.

A size that the disk has no room for ends the run, and it says so: 10^6 orders take 25 GB, 5 x 10^6 would take 130.
--without-views has no projector at work in either installation, but for the catalogue before the first order: then these
take 31 GB, and 25 for the view that is filled from the whole log in the end.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import growth_told  # noqa: E402
from costs import Spent, disk_bytes, middle  # noqa: E402
from figures import PRODUCTS, Figures  # noqa: E402
from harness.daybook import Daybook  # noqa: E402
from harness.roles import RoleProcess  # noqa: E402
from harness.stack import NEVER_FLUSH, ROOT, Stack  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

WITHOUT_VIEWS = "gateway,handler,connector"
STRIDE = 100_000  # orders of one load
CHECKOUTS = 10_000  # of one round at the peak
STEADY_S = 10  # of one round at the fixed rate
WARM_UP_S = 45
CAUGHT_UP_WITHIN_S = 120
REPAIRS_WITHIN_S = 7200  # a rebuild, a restore
ROOM_FOR_REPAIRS = 1.5  # of what a size takes, for the second copy of a view and for segments that wait for their deletion


class Installation:
    """What is measured of one."""

    def __init__(self, stack: Stack, folder: Path, name: str, in_flight: int, roles: str | None):
        self.stack, self.in_flight = stack, in_flight
        self.orders = 0
        self.strides: list[dict] = []
        self.daybook = Daybook(stack, name=name, roles=roles, shards=1)
        self.folder = folder / self.daybook.name
        self.folder.mkdir()
        self.figures = Figures(self.daybook, self.folder, 0, in_flight)

    def open(self) -> "Installation":
        self.daybook.install().start()
        if self.daybook.views:
            self.figures.prepare()
        else:
            self.prepare_without_views()
        return self

    def prepare_without_views(self) -> None:
        """Fronts ask the catalogue what is on sale: it has a projector until all products are there."""
        projector = RoleProcess(self.daybook, "projector", "projector").start_ready()
        self.figures.prepare()
        on_sale = "SELECT count(*) FROM products.variants WHERE on_sale"
        wait_until(lambda: self.daybook.sql.value(on_sale) == PRODUCTS, "products on sale", CAUGHT_UP_WITHIN_S)
        projector.stop()

    def spent(self) -> Spent:
        return Spent(self.stack, {"service": self.daybook.service, "provider": self.daybook.provider})

    def load(self, kind: str, file: Path, *more) -> tuple[dict, dict]:
        """The report, and the milliseconds of each part for each that was confirmed, until the views had seen it."""
        with self.spent() as spent:
            report = self.figures.load(kind, file, *more)
            wait_until(self.daybook.views_have_seen_all, "the views", CAUGHT_UP_WITHIN_S, pause=0.1)
        confirmed = report["outcomes"]["confirmed"]
        self.orders += confirmed
        return report | {"per_s": confirmed / report["duration_s"]}, spent.ms_each(confirmed)

    def grow(self, orders: int) -> None:
        while self.orders < orders:
            begun = self.orders
            count = min(STRIDE, orders - begun)
            report, ms = self.load("baskets", self.figures.uniform, "--closed", self.in_flight, "--max", count)
            self.strides.append({"from": begun, "to": self.orders, "baskets_per_s": report["per_s"], "ms": ms})
            print(
                f"  {self.orders:,} orders; {report['per_s']:,.0f} baskets/s, {growth_told.system_ms(ms):.2f} ms each",
                flush=True,
            )

    def checkouts(self, count: int, *pace) -> tuple[dict, dict]:
        carts, _ = self.figures.carts(self.figures.uniform, count)
        found = self.load("checkouts", carts, *pace)
        carts.unlink()
        return found

    def round(self, rate: int) -> dict:
        peak, ms = self.checkouts(CHECKOUTS, "--closed", self.in_flight)
        steady, steady_ms = self.checkouts(rate * STEADY_S, "--rate", rate)
        latency = steady["latency_ms"]["checkout"]
        return {"per_s": peak["per_s"], "ms": ms, "steady_ms": steady_ms, "p50": latency["p50"], "p99": latency["p99"]}

    def weigh(self) -> dict:
        topics = sorted((self.stack.directory / "kafka" / "data").glob(f"{self.daybook.name}.*"))
        log = {topic.name.removeprefix(f"{self.daybook.name}.").rpartition("-")[0]: disk_bytes(topic) for topic in topics}
        return {
            "orders": self.orders,
            "anonymous_mib": self.daybook.service.memory_mib(),
            "resident_mib": self.daybook.service.memory_mib("VmRSS"),
            "store_bytes": disk_bytes(self.daybook.settings["data_dir"]),
            "database_bytes": self.daybook.sql.value("SELECT pg_database_size(current_database())"),
            "log_bytes": sum(log.values()),
            "topics": log,
        }

    def repairs(self) -> dict:
        rows, rebuilt_s = self.figures.rebuilt(REPAIRS_WITHIN_S)
        records, restored_s = self.figures.restored(REPAIRS_WITHIN_S)
        wait_until(self.daybook.views_have_seen_all, "the views", CAUGHT_UP_WITHIN_S, pause=0.1)
        return {
            "rebuilt_rows": rows,
            "rebuilt_s": rebuilt_s,
            "restored_records": records,
            "restored_s": restored_s,
            "restored_store_bytes": disk_bytes(self.daybook.settings["data_dir"]),
        }

    def discard(self) -> None:
        self.daybook.discard()
        shutil.rmtree(self.folder)


@contextmanager
def opened(*arguments):
    made = Installation(*arguments)
    try:
        yield made.open()
    finally:
        made.discard()


def has_room(rows: list[dict], orders: int) -> bool:
    if not rows:
        return True
    each = growth_told.bytes_each(rows[-1])
    needed = each * (orders - rows[-1]["orders"]) + each * orders * (ROOM_FOR_REPAIRS - 1)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        print(f"{orders:,} orders need {needed / 1e9:,.0f} GB more, of which {free / 1e9:,.0f} GB are free: not measured")
    return needed <= free


def at_size(grown: Installation, orders: int, young_orders: int, young_of, arguments) -> dict:
    print(f"{orders:,} orders; load average {os.getloadavg()[0]:.1f}", flush=True)
    grown.grow(orders)
    row = grown.weigh()
    rounds: dict[str, list[dict]] = {"grown": [], "young": []}
    with young_of() as young:
        young.grow(young_orders)
        for number in range(arguments.rounds):
            for name, one in (("grown", grown), ("young", young)):
                found = one.round(arguments.rate)
                rounds[name].append(found)
                print(f"  round {number + 1}, {name}: {growth_told.round_told(found)}", flush=True)
    row |= middle(rounds["grown"]) | {"young": middle(rounds["young"]), "rounds": rounds} | grown.repairs()
    print(f"  {growth_told.repairs_told(row)}", flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="orders in the log")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=512, help="requests at once, at the peak")
    parser.add_argument("--rate", type=int, default=400, help="checkouts a second for the latencies")
    parser.add_argument("--plot", type=Path, default=ROOT / "build" / "growth.svg")
    parser.add_argument("--without-views", action="store_true")
    arguments = parser.parse_args()
    roles = WITHOUT_VIEWS if arguments.without_views else None
    sizes = sorted(int(size) for size in arguments.sizes.split(","))
    stack = Stack({"DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES": NEVER_FLUSH})
    rows: list[dict] = []
    with tempfile.TemporaryDirectory(prefix="daybook-growth-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            stack.up()
            with opened(stack, folder, "warm", arguments.in_flight, roles) as warm:
                warm.figures.warm_up(WARM_UP_S)
            with opened(stack, folder, "grown", arguments.in_flight, roles) as grown:
                young_of = partial(opened, stack, folder, "young", arguments.in_flight, roles)
                for orders in sizes:
                    if not has_room(rows, orders):
                        break
                    rows.append(at_size(grown, orders, sizes[0], young_of, arguments))
                    found = {"rate": arguments.rate, "in_flight": arguments.in_flight, "sizes": rows, "strides": grown.strides}
                    (ROOT / "build" / "growth.json").write_text(json.dumps(found, indent=1) + "\n")
        finally:
            stack.discard()
    growth_told.tell(found)
    growth_told.draw(found, arguments.plot)


if __name__ == "__main__":
    main()
