"""make scale-out: what each further process costs, and members that come and go.

    python scale_out.py [--rounds N] [--shards N] [--in-flight N] [--rate N] [--only members|costs]

Each role is a process of its own. One machine is no faster with more of them: what is told is how much processor time a
checkout takes from each process with 1, 2 and 4 handlers and gateways, at the peak, at a fixed rate, and what each takes
when nothing happens. The cases are measured in turn, each once a round, on one installation.

Then, on another one, handlers and gateways join, leave and die while shoppers buy from two gateways: after each step the
shards must be shared out evenly and the shoppers served, and in the end the journals are judged (harness/judge.py).
Prints tables; writes build/scale_out.json.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import scale_out_told  # noqa: E402
from costs import Spent, connections, middle  # noqa: E402
from figures import Figures  # noqa: E402
from harness import journal  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.judge import judge, settled  # noqa: E402
from harness.roles import SplitRoles, installed_apart  # noqa: E402
from harness.shop import open_shop  # noqa: E402
from harness.shoppers import Habits, Shoppers  # noqa: E402
from harness.stack import NEVER_FLUSH, ROOT, Stack  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

GATEWAYS = ("gateway", "gateway2", "gateway3", "gateway4")
HANDLERS = ("handler1", "handler2", "handler3", "handler4")
BARE = ("bare1", "bare2", "bare3", "bare4")  # handlers without standby stores
CASES = {
    "1 handler, 1 gateway": (HANDLERS[:1], GATEWAYS[:1]),
    "2 handlers": (HANDLERS[:2], GATEWAYS[:1]),
    "4 handlers": (HANDLERS, GATEWAYS[:1]),
    "4 handlers without standby stores": (BARE, GATEWAYS[:1]),
    "2 gateways": (HANDLERS[:1], GATEWAYS[:2]),
    "4 gateways": (HANDLERS[:1], GATEWAYS),
    "4 handlers, 4 gateways": (HANDLERS, GATEWAYS),
}
COUNTERS = {
    "daybook_handler_batches_total": "commits of handlers",
    "daybook_handler_commands_total": "commands",
    "daybook_handler_events_total": "events",
    "daybook_handler_follow_ups_sent_total": "follow-ups through the log",
}
WARM_UP_S = 45
CHECKOUTS = 8000  # of one round at the peak
STEADY_S = 10
IDLE_S = 5
CAUGHT_UP_WITHIN_S = 120

# What happens to whom while shoppers buy; handler1 and both gateways run before.
STEPS = (
    ("joins", "handler2"), ("joins", "handler3"), ("joins", "handler4"),
    ("dies", "handler2"), ("joins", "handler2"), ("leaves", "handler3"), ("dies", "gateway2"), ("joins", "gateway2"),
    ("leaves", "handler1"), ("joins", "handler3"), ("leaves", "gateway2"), ("joins", "gateway2"), ("joins", "handler1"),
    ("dies", "handler4"), ("dies", "handler1"), ("leaves", "handler2"), ("joins", "handler4"),
)  # fmt: skip
SHARED_OUT_WITHIN_S = 60
MORE = 20  # operations that must be done after each step


def are_even(roles: SplitRoles) -> bool:
    """Whether the handlers that run have all shards, and none has two more than another."""
    shares = roles.shares().values()
    return sum(shares) == roles.daybook.settings["shards"] and max(shares) - min(shares) <= 1


# ---- what each process costs ----------------------------------------------------------------------------------------------


class Fleet:
    """The processes of an installation, of which some run."""

    def __init__(self, roles: SplitRoles, folder: Path, in_flight: int):
        self.roles, self.in_flight = roles, in_flight
        self.figures = Figures(roles.daybook, folder, 0, in_flight)

    def run_only(self, handlers: tuple[str, ...], gateways: tuple[str, ...]) -> None:
        """Returns when they have shared out the shards, and their standby stores stand at the end of the log."""
        self.names = (*handlers, *gateways, "projector", "connector")
        for name, process in self.roles.processes.items():
            if name not in self.names:
                process.stop()
        for name in self.names:
            if not self.roles[name].is_running():
                self.roles[name].start_ready()
        self.gateways = gateways
        self.roles.count_pages(*self.names)
        wait_until(lambda: are_even(self.roles), "even shares", CAUGHT_UP_WITHIN_S, pause=0.1)
        wait_until(self._stands_still, "the standby stores and the views", CAUGHT_UP_WITHIN_S, pause=0.2)

    def _stands_still(self) -> bool:
        figures = self.roles.daybook.metrics()
        lags = [value for name, value in figures.items() if name.startswith("daybook_handler_standby_lag_records{")]
        return not any(lags) and self.roles.daybook.views_have_seen_all()

    def spent(self) -> Spent:
        processes = {name: self.roles[name] for name in self.names}
        return Spent(self.roles.daybook.stack, processes | {"provider": self.roles.daybook.provider})

    def checkouts(self, count: int, *pace) -> dict:
        """Each gateway has its part of them; the percentiles are those of the slowest."""
        carts, _ = self.figures.carts(self.figures.uniform, count)
        lines = carts.read_text().splitlines(keepends=True)
        parts = [carts.with_suffix(f".{name}") for name in self.gateways]
        for i, part in enumerate(parts):
            part.write_text("".join(lines[i :: len(parts)]))

        def load(part: Path, name: str) -> dict:
            return self.figures.load("checkouts", part, *pace, url=self.roles[name].url)

        before = self.counters()
        with self.spent() as spent, ThreadPoolExecutor(len(parts)) as pool:
            reports = list(pool.map(load, parts, self.gateways))
            wait_until(self._stands_still, "the views and standby stores", CAUGHT_UP_WITHIN_S)
        confirmed = sum(report["outcomes"]["confirmed"] for report in reports)
        latencies = [report["latency_ms"]["checkout"] for report in reports]
        return {
            "per_s": confirmed / max(report["duration_s"] for report in reports),
            "p50": max(latency["p50"] for latency in latencies),
            "p99": max(latency["p99"] for latency in latencies),
            "ms": spent.ms_each(confirmed),
            "each": {name: (now - before[name]) / confirmed for name, now in self.counters().items()},
        }

    def counters(self) -> dict[str, float]:
        """Up to now: transactions of the handlers and of the views, and the seconds that each view was busy."""
        found = Counter()
        for name, value in self.roles.daybook.metrics().items():
            if name in COUNTERS:
                found[COUNTERS[name]] += value
            elif name.startswith("daybook_projection_batches_total{"):
                found["commits of views"] += value
            elif name.startswith("daybook_projection_busy_seconds_total{"):
                found[f"busy {name.split(chr(34))[1]}"] += value
        return found

    def idle(self) -> dict:
        """Milliseconds of each process in a second in which nothing is asked."""
        with self.spent() as spent:
            time.sleep(IDLE_S)  # what is measured
        return spent.ms_each(IDLE_S)

    def links(self) -> dict[str, dict[str, int]]:
        """By process: its Kafka clients (librdkafka has a thread of this name for each), and its connections."""
        stack = self.roles.daybook.stack
        brokers = {int(broker.rpartition(":")[2]) for broker in stack.brokers.split(",")}
        found = {}
        for name in self.names:
            tasks = Path(f"/proc/{self.roles[name].pid}/task").glob("*/comm")
            found[name] = {
                "kafka_clients": sum(comm.read_text().strip() == "rdk:main" for comm in tasks),
                "to_broker": connections(self.roles[name].pid, brokers),
                "to_postgres": connections(self.roles[name].pid, {stack.postgres_port}),
            }
        return found

    def round(self, rate: int) -> dict:
        parts = len(self.gateways)
        return {
            "links": self.links(),
            "peak": self.checkouts(CHECKOUTS, "--closed", self.in_flight // parts),
            "steady": self.checkouts(rate * STEADY_S, "--rate", rate / parts),
            "idle": {"ms": self.idle()},
        }


def costs(stack: Stack, folder: Path, arguments) -> dict[str, dict]:
    bare = {name: {"standby_stores": 0} for name in BARE}
    rounds: dict[str, list[dict]] = {name: [] for name in CASES}
    more = {"shards": arguments.shards, "replication_factor": arguments.brokers}
    with installed_apart(stack, "scale", (*HANDLERS, *BARE), bare, GATEWAYS, **more) as roles:
        roles.daybook.start_provider()
        fleet = Fleet(roles, folder, arguments.in_flight)
        fleet.run_only(HANDLERS[:1], GATEWAYS[:1])
        fleet.figures.prepare()
        fleet.figures.warm_up(WARM_UP_S)
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}; load average {os.getloadavg()[0]:.1f}", flush=True)
            for name, members in CASES.items():
                fleet.run_only(*members)
                found = fleet.round(arguments.rate)
                rounds[name].append(found)
                print(f"  {name:36} {scale_out_told.round_told(found)}", flush=True)
    return {name: middle(found) | {"rounds": found} for name, found in rounds.items()}


# ---- members that come and go ---------------------------------------------------------------------------------------------


def step(roles: SplitRoles, what: str, name: str, all_shoppers: dict[str, Shoppers]) -> dict:
    process = roles[name]
    began = time.monotonic()
    {"joins": process.start, "leaves": process.stop, "dies": process.kill}[what]()
    if name in GATEWAYS and what == "joins":
        process.wait_ready(process.is_ready)
    wait_until(lambda: are_even(roles), f"even shares once {name} {what}", SHARED_OUT_WITHIN_S, pause=0.05)
    even_s = time.monotonic() - began
    for gateway, shoppers in all_shoppers.items():
        if roles[gateway].is_running():
            shoppers.wait_for(MORE, SHARED_OUT_WITHIN_S)
    found = {"what": what, "who": name, "even_s": even_s, "served_s": time.monotonic() - began, "shards": roles.shares()}
    print(f"  {scale_out_told.step_told(found)}", flush=True)
    return found


def members(stack: Stack, arguments) -> dict:
    habits = Habits(threads=4)
    more = {"shards": arguments.shards, "replication_factor": arguments.brokers, "command_wait_ms": 2000}
    with installed_apart(stack, "members", HANDLERS, gateways=GATEWAYS[:2], **more) as roles:
        roles.start(*GATEWAYS[:2], "projector", "connector", HANDLERS[0])
        skus = open_shop(roles.daybook)
        shoppers = {
            name: Shoppers(roles[name].url, skus, roles.daybook.directory / f"{name}.jsonl", habits=habits)
            for name in GATEWAYS[:2]
        }
        with ExitStack() as block:
            for one in shoppers.values():
                block.enter_context(one)
            steps = [step(roles, what, name, shoppers) for what, name in STEPS]
        roles.count_pages(*(name for name, process in roles.processes.items() if process.is_running()))
        settled(roles.daybook, SHARED_OUT_WITHIN_S)
        counts = judge(roles.daybook, [entry for one in shoppers.values() for entry in journal.read(one.path)])
    return {"steps": steps, "operations": {f"{op} {outcome}": count for (op, outcome), count in counts.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=512, help="requests at once over all gateways, at the peak")
    parser.add_argument("--rate", type=int, default=400, help="checkouts a second over all gateways")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="3: and three copies of everything")
    parser.add_argument("--only", choices=("members", "costs"))
    arguments = parser.parse_args()
    found = {name: getattr(arguments, name) for name in ("brokers", "shards", "rate", "in_flight")}
    stack = Cluster() if arguments.brokers == 3 else Stack({"DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES": NEVER_FLUSH})
    with tempfile.TemporaryDirectory(prefix="daybook-scale-") as folder:
        try:
            stack.up()
            if arguments.only != "costs":
                found["members"] = members(stack, arguments)
            if arguments.only != "members":
                found["cases"] = costs(stack, Path(folder), arguments)
        finally:
            stack.discard()
    scale_out_told.tell(found)
    (ROOT / "build" / "scale_out.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
