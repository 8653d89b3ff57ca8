"""What Daybook does, through its front as its users meet it."""

import itertools
import json
import random
import re
import shutil
import threading
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import httpx
from harness.daybook import BINARY, Daybook, metrics_of
from harness.event_crowd import follow
from harness.ports import free_port
from harness.processes import Process, clean_environment
from harness.shop import Shop
from harness.sql import Sql
from harness.waiting import wait_until
from limits import PROGRAMS, output, wrk
from retail import dataset, prepare

PRODUCTS = 200
CARTS_PER_SECOND = 6000  # made ahead for each second of checkouts: more than can be checked out
BACKLOG_CARTS = 1000
REBUILT_VIEW = "orders"
CROWD, CROWD_ACTS_EVERY_S, CROWD_S = 10_000, 5, 40
FOLLOWERS, FOLLOWED_S, CHANGES_PER_S = 5_000, 20, 5
OPEN_CARTS = 100_000
SEARCHES = 1000


class Sampler:
    """Looks at the service while something else goes on: the largest lag of a view, and the largest memory."""

    PAUSE_S = 0.25

    def __init__(self, daybook: Daybook):
        self.daybook = daybook
        self.lag_s = self.mib = 0.0
        self.failure: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self._look()
        except Exception as failure:  # told by __exit__
            self.failure = failure

    def _look(self) -> None:
        while not self._over.wait(self.PAUSE_S):
            self.mib = max(self.mib, self.daybook.service.memory_mib())
            for name, value in self.daybook.metrics().items():
                if name.startswith("daybook_projection_lag_seconds{"):
                    self.lag_s = max(self.lag_s, value)


class Figures:
    def __init__(self, daybook: Daybook, folder: Path, seconds: int, in_flight: int):
        self.daybook, self.folder, self.seconds, self.in_flight = daybook, folder, seconds, in_flight
        self.more: tuple = ()  # arguments of each `daybook load`: who sends, and whom it trusts
        self._numbers = itertools.count()

    # ---- traffic

    def load(self, kind: str, file: Path, *more, url: str | None = None) -> dict:
        """Several may go on at once, from threads. `url` is another front's."""
        number = next(self._numbers)
        report = self.folder / f"report-{number}.json"
        output(
            BINARY, "load", file, "--kind", kind, "--url", url or self.daybook.url, "--report", report,
            "--salt", f"load-{number}", "--keyless-carts", *self.daybook.load_access(), *self.more, *more,
            env=clean_environment(self.daybook.environment()),
        )  # fmt: skip
        return json.loads(report.read_text())

    def prepare(self) -> None:
        """Products with stock that no run empties, and baskets of two lines: spread over them, and all with one in common."""
        products, stock = (self.folder / f"{name}.jsonl" for name in ("products", "stock"))
        with products.open("w") as out:
            for i in range(PRODUCTS):
                price = {"amount": 100 + i, "currency": "EUR"}
                product = {"title": f"Thing {i}", "variants": [{"sku": f"BENCH-{i}", "price": price}], "publish": True}
                out.write(json.dumps(product) + "\n")
        with stock.open("w") as out:
            for i in range(PRODUCTS):
                out.write(json.dumps({"sku": f"BENCH-{i}", "location": "main", "quantity": 900_000_000}) + "\n")
        self.uniform, self.hot = (self.folder / f"{name}.jsonl" for name in ("uniform", "hot"))
        for file, first in ((self.uniform, lambda i: i * 7 % PRODUCTS), (self.hot, lambda i: 0)):
            with file.open("w") as out:
                for i in range(200_000):
                    skus = {first(i), (i * 7 + 31) % PRODUCTS or 1}
                    lines = [{"sku": f"BENCH-{sku}", "quantity": 1 + n} for n, sku in enumerate(sorted(skus))]
                    out.write(json.dumps({"reference": f"b{i}", "currency": "EUR", "lines": lines}) + "\n")
        self.load("products", products, "--closed", 64)
        self.load("stock", stock, "--closed", 64)

    def warm_up(self, seconds: int) -> None:
        """A young Java spends more on compiling than on us."""
        self.load("baskets", self.uniform, "--closed", self.in_flight, "--duration", seconds)

    def carts(self, baskets: Path, count: int) -> tuple[Path, float]:
        """Carts for checkouts to come, and how many were made a second; the views have seen them."""
        made = self.folder / f"carts-{next(self._numbers)}.jsonl"
        report = self.load("carts", baskets, "--closed", self.in_flight, "--max", count, "--journal", made)
        wait_until(self.daybook.views_have_seen_all, "the views", 60)
        return made, report["rate_per_s"]

    def checkouts(self, baskets: Path, *pace, per_second: float = CARTS_PER_SECOND, beside=None) -> tuple[dict, float]:
        """Checkouts of carts that stand there, as shoppers make them before they pay: the report, confirmed a second. The
        block of `beside` is the load, and what the views do after it."""
        carts, self.carts_per_s = self.carts(baskets, int(per_second * self.seconds))
        with beside or nullcontext():
            report = self.load("checkouts", carts, *pace, "--duration", self.seconds)
            wait_until(self.daybook.views_have_seen_all, "the views", 60)
        if report["duration_s"] < 0.99 * self.seconds:
            raise SystemExit("all carts were checked out before the time was over: make more")
        carts.unlink()
        return report, report["outcomes"].get("confirmed", 0) / report["duration_s"]

    def baskets(self) -> dict:
        return self.load("baskets", self.uniform, "--closed", self.in_flight, "--duration", self.seconds)

    def cart_updates(self, in_flight: int) -> dict:
        return self.load("cart-updates", self.uniform, "--closed", in_flight, "--duration", self.seconds)

    # ---- the handler alone

    def backlog(self, updates: int, in_flight: int) -> float:
        """The service is stopped, commands are sent, and a handler decides them: commands a second, between a tenth and the end."""
        self.daybook.stop()
        output(PROGRAMS / "backlog", self.daybook.stack.brokers, self.daybook.name, self.daybook.settings["shards"], BACKLOG_CARTS, updates)
        rate = self._handler_rate(updates + BACKLOG_CARTS, in_flight)
        self.daybook.start()
        wait_until(self.daybook.views_have_seen_all, "the views", 120)
        return rate

    def _handler_rate(self, commands: int, in_flight: int) -> float:
        with self._handler(batch_commands_max=in_flight) as handler:
            began = wait_until(lambda: handler.passed(BACKLOG_CARTS + commands // 10), "the first commands", 60, pause=0.1)
            ended = wait_until(lambda: handler.passed(commands), "the last command", 120, pause=0.1)
        return (ended[1] - began[1]) / (ended[0] - began[0])

    def _handler(self, **settings) -> "HandlerAlone":
        return HandlerAlone(self.daybook, self.folder, settings)

    def restore(self) -> float:
        """Records a second."""
        records, took_s = self.restored()
        return records / took_s

    def restored(self, seconds: float = 300) -> tuple[float, float]:
        """A takeover without a state store, of one shard, whose time alone is told: the records that it folds, and how long."""
        assert self.daybook.settings["shards"] == 1
        self.daybook.stop()
        shutil.rmtree(self.daybook.settings["data_dir"])
        with self._handler() as handler:
            wait_until(handler.has_taken_over, "the takeover", seconds)
            figures = handler.metrics()
        self.daybook.start()
        return figures["daybook_handler_replayed_total"], figures["daybook_handler_takeover_last_us"] / 1e6

    # ---- views

    def rebuild(self) -> float:
        """Rows a second."""
        rows, took_s = self.rebuilt()
        return rows / took_s

    def rebuilt(self, seconds: float = 600) -> tuple[int, float]:
        """A view is filled anew beside the live one and takes its place: its rows, and how long that took."""
        began = time.monotonic()
        self.daybook.run("projection", "rebuild", REBUILT_VIEW, "--switch", seconds=seconds)
        took_s = time.monotonic() - began
        self.daybook.run("projection", "drop", f"{REBUILT_VIEW}_old")
        tables = ("orders", "order_lines", "order_history")  # and, not counted, the states of its streams
        return sum(self.daybook.sql.value(f"SELECT count(*) FROM {REBUILT_VIEW}.{table}") for table in tables), took_s

    # ---- reading

    def orders_by_id(self, connections: int) -> float:
        """So many different orders in turn that none is asked for twice while a front keeps it."""
        rows = Sql(self.daybook.sql.connection_string).rows("SELECT id FROM orders.orders ORDER BY hashtext(id) LIMIT 100000")
        script = self.folder / "orders.lua"
        paths = ",".join(f'"/v1/orders/{row["id"]}"' for row in rows)
        script.write_text(
            f"local paths = {{{paths}}}\nlocal i = 0\n"
            "request = function() i = i % #paths + 1; return wrk.format('GET', paths[i]) end\n"
        )
        found = "daybook_gateway_pages_found_total"
        before = self.daybook.metrics()[found]
        rate = wrk(self.daybook.url, self.seconds, connections, "-s", script)
        assert self.daybook.metrics()[found] == before, "orders came from the front's memory: make more of them"
        return rate

    def not_modified(self, connections: int) -> float:
        """One order again and again, by someone who has it."""
        order = self.daybook.sql.value("SELECT id FROM orders.orders ORDER BY id LIMIT 1")
        url = f"{self.daybook.url}/v1/orders/{order}"
        etag = httpx.get(url).headers["ETag"]
        assert httpx.get(url, headers={"If-None-Match": etag}).status_code == 304
        return wrk(url, self.seconds, connections, "-H", f"If-None-Match: {etag}")

    # ---- once a run: what takes long to bring about

    def crowd(self) -> dict:
        """So many shoppers connected at once, who each change their cart every few seconds."""
        before_mib = self.daybook.service.memory_mib()
        with Sampler(self.daybook) as seen:
            report = self.load(
                "cart-updates", self.uniform, "--rate", CROWD / CROWD_ACTS_EVERY_S, "--in-flight", CROWD, "--rotate",
                "--duration", CROWD_S,
            )  # fmt: skip
        # One that is due as the time ends is not started, and no error.
        late = max(0, report["not_started"] - 1)
        refused = sum(report["errors"].values()) + late + report["unknown"]
        if refused > 0:
            print(f"  of the crowd: errors {report['errors']}, not started {late}, unknown {report['unknown']}", flush=True)
        return {
            "p99": report["latency_ms"]["update"]["p99"],
            "errors": refused,
            "kib": (seen.mib - before_mib) * 1024 / CROWD,
        }

    def followers(self) -> dict:
        """So many clients told of each change of one SKU's stock; the time is from the request for the change on."""
        with self.daybook.client() as client, Sampler(self.daybook) as seen:
            shop = Shop(client)
            shop.sells("followed", 100, 10)
            before_mib = self.daybook.service.memory_mib()
            found = follow(self.daybook, shop, ["followed"], FOLLOWERS, FOLLOWED_S, CHANGES_PER_S)
        assert found["lost"] == found["missed"] == 0, found
        return {"p99": found["asked_p99"] * 1000, "kib": max(0, seen.mib - before_mib) * 1024 / FOLLOWERS}

    def open_carts(self) -> float:
        """Bytes that the service has grown by for each open cart, when its buffers have their size."""
        self.carts(self.uniform, OPEN_CARTS // 2)[0].unlink()
        before_mib = self.daybook.service.memory_mib()
        self.carts(self.uniform, OPEN_CARTS)[0].unlink()
        return (self.daybook.service.memory_mib() - before_mib) * 1024 * 1024 / OPEN_CARTS

    def search(self) -> float:
        """p99 in milliseconds of searches over the catalogue of the retail year: for two words of a product's title each, so
        that each finds something, and many find much."""
        products, searches = (self.folder / f"{name}.jsonl" for name in ("catalogue", "searches"))
        prepare.write_lines(products, prepare.products(dataset.connect(None)))
        chosen = random.Random(1)
        titles = [sorted(set(re.findall("[a-z]{2,}", json.loads(line)["title"].lower()))) for line in products.open()]
        titles = [words for words in titles if len(words) >= 2]
        with searches.open("w") as out:
            for _ in range(SEARCHES):
                out.write(f"/v1/products?q={'+'.join(chosen.sample(chosen.choice(titles), 2))}\n")
        self.load("products", products, "--closed", self.in_flight)
        wait_until(self.daybook.views_have_seen_all, "the views", 300)
        self.daybook.sql.run("VACUUM ANALYZE products.products")  # as PostgreSQL does by itself, sooner or later
        report = self.load("reads", searches, "--closed", 2, "--duration", self.seconds)
        return report["latency_ms"]["get"]["p99"]


class HandlerAlone:
    """`daybook serve --role handler` in the place of the stopped service."""

    def __init__(self, daybook: Daybook, folder: Path, settings: dict):
        self.port = free_port()
        environment = daybook.environment(settings | {"admin_port": self.port})
        self.process = Process("daybook serve --role handler", [BINARY, "serve", "--role", "handler"], folder / "handler.log", environment)

    def __enter__(self) -> "HandlerAlone":
        self.process.start()
        return self

    def __exit__(self, *_) -> None:
        self.process.stop()

    def metrics(self) -> Counter:
        return metrics_of(f"http://127.0.0.1:{self.port}")

    def passed(self, commands: int) -> tuple[float, float] | None:
        """When, and with how many commands, it was seen to have decided so many."""
        decided = self.metrics()["daybook_handler_batch_commands_total"]
        return (time.monotonic(), decided) if decided >= commands else None

    def has_taken_over(self) -> bool:
        figures = self.metrics()
        return 0 < figures["daybook_handler_shards_assigned"] == figures["daybook_handler_shards_active"]
