"""make bench-doors: what access control, limits and TLS cost.

    python doors.py [--rounds N] [--alone N] [--seconds S] [--warm-up S] [--shards N] [--in-flight N] [--flush]

One installation, whose service is started anew with other doors before each turn:

    open    access = open, limits = off, plain HTTP; whoever asks brings nothing but the tokens of carts: as make bench has it
    closed  access = closed, limits that are counted and refuse nobody, TLS; half of the carts and orders are customers', who
            bring the access tokens of their sessions, half are guests', who bring the tokens of their carts
    access, limits, TLS   one of the three alone, in the first rounds (--alone)

A round measures each of them once, the next one in the opposite order; a turn's figure is held against the open one of its own
round. The load is on the same processors and pays for TLS as well: so the processor time of each part is told apart, and what
the rates would be by the service's time alone. Prints tables; writes build/doors.json, which make bench-compare takes.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import doors_told  # noqa: E402
import httpx  # noqa: E402
from costs import LOAD, Spent, threads_seconds  # noqa: E402
from doors_told import CARTS, CHECKOUTS, CONNECTION, GETS, HALF, NOT_MODIFIED, each_us  # noqa: E402
from figures import Figures  # noqa: E402
from harness.authority import NOBODY, Authority, trusting  # noqa: E402
from harness.daybook import Daybook  # noqa: E402
from harness.person import Person  # noqa: E402
from harness.stack import NEVER_FLUSH, ROOT, Stack  # noqa: E402
from harness.waiting import wait_until  # noqa: E402
from limits import wrk  # noqa: E402

CONNECTIONS = 64
CUSTOMERS = 64
STARTED_S = 3  # of baskets after each start, so that no turn pays for a service that has just begun
CLASSES = ("read", "search", "write", "checkout", "login", "mail", "auth")
# As much as may be said: each request is hashed, looked up and counted, and told what is left to it.
MUCH = " ".join(f"{name}=1000000/s:1000000" for name in CLASSES)
CONNECTIONS_PER_ADDRESS = 9_000  # all come from one


@dataclass(frozen=True)
class Doors:
    is_closed: bool = False
    is_limited: bool = False
    is_encrypted: bool = False

    def settings(self, authority: Authority) -> dict:
        return {
            "access": "closed" if self.is_closed else "open",
            "limits": MUCH if self.is_limited else "off",
            "http_connections_per_address": CONNECTIONS_PER_ADDRESS if self.is_limited else 0,
            "http_event_streams_per_address": 100 if self.is_limited else 0,
            "tls_certificate": authority.certificate if self.is_encrypted else "",
            "tls_key": authority.key if self.is_encrypted else "",
        }


DOORS = {
    "open": Doors(),
    "closed": Doors(True, True, True),
    "access": Doors(is_closed=True),
    "limits": Doors(is_limited=True),
    "TLS": Doors(is_encrypted=True),
}


class House:
    """The installation, and who comes."""

    def __init__(self, stack: Stack, folder: Path, arguments):
        self.seconds, self.in_flight, self.folder = arguments.seconds, arguments.in_flight, folder
        self.authority = Authority(folder / "authority")
        self.authority.issue()
        self.daybook = Daybook(stack, name="doors", shards=arguments.shards, **Doors().settings(self.authority))
        self.figures = Figures(self.daybook, folder, arguments.seconds, arguments.in_flight)
        self.bearers = folder / "bearers"
        self.open_peaks: list[float] = []
        self.rate: float | None = None  # checkouts a second of the open loop, by the rounds before

    # ---- before the first round

    def open(self, warm_up_s: int) -> None:
        """Goods, customers, and as many orders as a run of baskets makes, with whose they are."""
        self.daybook.install().start()
        self.figures.prepare()
        self.hang(DOORS["closed"])
        with self.daybook.client() as client:
            self.people = [Person(self.daybook, client).verified() for _ in range(CUSTOMERS)]
        self.come()
        entries = self.folder / "orders.jsonl"
        self.baskets(warm_up_s, "--journal", entries)
        self.orders = [order_of(json.loads(line)) for line in entries.open() if '"order"' in line]
        entries.unlink()
        wait_until(self.daybook.views_have_seen_all, "the views", 60)

    # ---- doors

    def hang(self, doors: Doors) -> None:
        """Starts the service anew with these."""
        daybook = self.daybook
        daybook.stop()
        self.doors = doors
        daybook.settings |= doors.settings(self.authority)
        ca = self.authority.file
        daybook.scheme, daybook.verify = ("https", trusting(ca)) if doors.is_encrypted else ("http", NOBODY)
        daybook.pages = [daybook.url]
        daybook.service.environment = daybook.environment()
        daybook.start()
        wait_until(daybook.views_have_seen_all, "the views", 60)

    def come(self) -> None:
        """Where access is closed, customers log in, and guests come between them."""
        self.figures.more = ("--connect-first",)
        if self.doors.is_encrypted:
            self.figures.more += ("--ca", self.authority.file)
        self.tokens = []
        if not self.doors.is_closed:
            return
        with self.daybook.client() as client:
            self.tokens = [client.expect(201, person.log_in(client=client))["access_token"] for person in self.people]
        self.bearers.touch(mode=0o600)
        self.bearers.write_text("".join(f"{token}\n-\n" for token in self.tokens))
        self.figures.more += ("--bearer-file", self.bearers)

    def headers(self, order: dict) -> dict[str, str]:
        """What its owner brings."""
        if not self.doors.is_closed:
            return {}
        if "token" in order:
            return {"Daybook-Cart-Token": order["token"]}
        return {"Authorization": f"Bearer {self.tokens[(order['bearer'] - 1) // 2]}"}

    def look(self) -> None:
        """The doors are as they are said to be."""
        path = f"{self.daybook.url}/v1/orders/{self.orders[0]['order']}"
        answer = httpx.get(path, verify=self.daybook.verify)
        own = httpx.get(path, verify=self.daybook.verify, headers=self.headers(self.orders[0]))
        found = Doors(
            is_closed=answer.status_code in (401, 404),
            is_limited="RateLimit" in answer.headers,
            is_encrypted="Strict-Transport-Security" in answer.headers,
        )
        if found != self.doors or own.status_code != 200:
            raise SystemExit(f"these are to be {self.doors}, and are {found}: {answer.text}, {own.text}")

    # ---- one turn

    def begin_round(self) -> None:
        """All doors of a round are asked as often in the open loop, whatever their own peaks are."""
        if self.open_peaks:
            self.rate = statistics.median(self.open_peaks) / 2

    def turn(self, name: str) -> dict:
        self.hang(DOORS[name])
        self.come()
        self.look()
        self.baskets(STARTED_S)
        figures: dict[str, float] = {}
        us = self.peak(figures)
        if name == "open":
            self.open_peaks.append(figures[CHECKOUTS])
        if self.rate is None:  # the first turn of all, which is the open doors'
            self.begin_round()
        self.half(figures)
        us["a GET by id"] = self.reads(figures, GETS, self.write_reads(self.orders))
        us["a 304"] = self.not_modified(figures)
        return {"figures": figures, "us": us}

    def spent(self) -> Spent:
        service = self.daybook.service
        loops = {"front": lambda: threads_seconds(service.pid, "http ")}
        return Spent(self.daybook.stack, {"service": service, "provider": self.daybook.provider}, loops)

    def peak(self, figures: dict[str, float]) -> dict[str, dict[str, float]]:
        greeting = self.greeting()
        spent = self.spent()
        report, figures[CHECKOUTS] = self.figures.checkouts(self.figures.uniform, "--closed", self.in_flight, beside=spent)
        figures[CARTS] = self.figures.carts_per_s
        refuse_errors(report)
        seconds = doors_told.without(spent.seconds, greeting) | {LOAD: report["processor_s"]}
        return {
            CONNECTION: each_us(greeting, self.in_flight),
            "a checkout": each_us(seconds, report["outcomes"]["confirmed"]),
        }

    def greeting(self) -> dict[str, float]:
        """What it takes to open all connections, and hardly more."""
        page = self.folder / "page.jsonl"
        page.write_text("/health/live\n")
        with self.spent() as spent:
            self.figures.load("reads", page, "--closed", self.in_flight, "--max", 1)
        return spent.seconds

    def baskets(self, seconds: int, *more) -> None:
        refuse_errors(
            self.figures.load("baskets", self.figures.uniform, "--closed", self.in_flight, "--duration", seconds, *more)
        )

    def half(self, figures: dict[str, float]) -> None:
        report, _ = self.figures.checkouts(self.figures.uniform, "--rate", self.rate, per_second=self.rate + 10)
        refuse_errors(report)
        figures[HALF] = report["latency_ms"]["checkout"]["p99"]

    def write_reads(self, orders: list[dict]) -> Path:
        """A program for wrk, whose requests are written before the time counts."""
        script = self.folder / "reads.lua"
        paths, names, values = [], [], []
        for order in orders:
            ((name, value),) = self.headers(order).items() or (("", ""),)
            paths.append(f'"/v1/orders/{order["order"]}"')
            names.append(f'"{name}"')
            values.append(f'"{value}"')
        # Flat, for LuaJIT takes no more than 65,536 tables that stand in a text.
        tables = {"PATHS": paths, "NAMES": names, "VALUES": values}
        text = READS
        for name, items in tables.items():
            text = text.replace(name, ",\n".join(items))
        script.write_text(text)
        return script

    def reads(self, figures: dict[str, float], name: str, script: Path) -> dict[str, float]:
        found = "daybook_gateway_pages_found_total"
        before = self.daybook.metrics()[found]
        with self.spent() as spent:
            figures[name] = wrk(self.daybook.url, self.seconds, CONNECTIONS, "-s", script)
        if self.daybook.metrics()[found] != before:
            raise SystemExit("orders came from the front's memory: more of them with a longer --warm-up")
        return each_us(spent.seconds, figures[name] * self.seconds)

    def not_modified(self, figures: dict[str, float]) -> dict[str, float]:
        """One order again and again, by a customer who has it."""
        order = next(order for order in self.orders if "token" not in order)
        url, headers = f"{self.daybook.url}/v1/orders/{order['order']}", self.headers(order)
        etag = httpx.get(url, verify=self.daybook.verify, headers=headers).headers["ETag"]
        headers |= {"If-None-Match": etag}
        assert httpx.get(url, verify=self.daybook.verify, headers=headers).status_code == 304
        fields = [part for header, value in headers.items() for part in ("-H", f"{header}: {value}")]
        with self.spent() as spent:
            figures[NOT_MODIFIED] = wrk(url, self.seconds, CONNECTIONS, *fields)
        return each_us(spent.seconds, figures[NOT_MODIFIED] * self.seconds)


READS = """local paths = {PATHS}
local names = {NAMES}
local values = {VALUES}
local requests, i = {}, 0
function init()
  for n, path in ipairs(paths) do
    local headers = {Host = wrk.headers["Host"]}
    if names[n] ~= "" then headers[names[n]] = values[n] end
    requests[n] = wrk.format("GET", path, headers)
  end
  paths, names, values = nil, nil, nil
end
function request()
  i = i % #requests + 1
  return requests[i]
end
"""


def order_of(entry: dict) -> dict:
    return {name: entry[name] for name in ("order", "token", "bearer") if name in entry}


def refuse_errors(report: dict) -> None:
    """A load that was sent away would be no load. 503 is what doors of whatever kind may say at the peak."""
    errors = [name for name in report["errors"] if name != "503"]
    errors += [name for name in report["outcomes"] if name.startswith("refused")]
    if errors or report["unknown"] or report["malformed"]:
        raise SystemExit(f"{errors}; unknown {report['unknown']}, not understood {report['malformed']}: {report['outcomes']}")


def sequence(number: int, alone: int) -> list[str]:
    """The first round begins with the open ones, by whose peak it is known what half of it is."""
    names = ["open", "closed", *(doors_told.ALONE if number < alone else ())]
    return names if number % 2 == 0 else names[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alone", type=int, default=3, help="rounds in which each of the three is measured alone as well")
    parser.add_argument("--seconds", type=int, default=6, help="of each figure")
    parser.add_argument("--warm-up", type=int, default=45)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--in-flight", type=int, default=512, help="requests at once, at the peak")
    parser.add_argument("--flush", action="store_true", help="the broker fsyncs each write")
    arguments = parser.parse_args()
    rounds: list[dict[str, dict]] = []
    stack = Stack({"DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES": "1" if arguments.flush else NEVER_FLUSH})
    house = None
    with tempfile.TemporaryDirectory(prefix="daybook-doors-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            stack.up()
            house = House(stack, folder, arguments)
            house.open(arguments.warm_up)
            for number in range(arguments.rounds):
                print(f"round {number + 1} of {arguments.rounds}; load average {os.getloadavg()[0]:.1f}", flush=True)
                house.begin_round()
                turns = {}
                for doors in sequence(number, arguments.alone):
                    turns[doors] = house.turn(doors)
                    print(f"  {doors:8} {doors_told.turn_told(turns[doors])}", flush=True)
                rounds.append(turns)
        finally:
            if house is not None:
                house.daybook.discard()
            stack.discard()
    doors_told.tell(rounds)
    found = {"arguments": vars(arguments), "turns": rounds, "rows": doors_told.rows(rounds)}
    (ROOT / "build" / "doors.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
