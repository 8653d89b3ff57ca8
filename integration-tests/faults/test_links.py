"""Each link of the system cut, silent one way and both, slow, narrow, reset and torn (CHECKS 8 and 9), under load.

While it lasts: an answer is a success that the log bears out, or an honest "ask again" (202, 503); every question is answered
in time; no process grows. Afterwards, unaided: commands go on, views and provider are caught up with, and the judge agrees.
"""

import time

import httpx
import pytest
from harness import journal
from harness.access import KEY
from harness.daybook import Daybook
from harness.judge import judge, settled
from harness.roles import SplitRoles
from harness.shop import open_shop
from harness.shoppers import Habits, Shoppers
from harness.stack import Stack
from harness.toxiproxy import FAULTS, Toxiproxy
from harness.waiting import wait_until

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

ROLES = ("gateway", "handler", "projector", "connector")
LINKS = (*(f"{role}-kafka" for role in ROLES), "gateway-postgres", "projector-postgres", "connector-provider")
# Those through which nothing comes: they must be noticed, or they were none.
HARD = {"cut", "silent", "silent_up", "silent_down"}
LASTS_S = 8.0
HEALED_WITHIN_S = 60.0
ANSWERED_WITHIN_S = 10.0
MEMORY_MIB_MOST = 200
HABITS = Habits(threads=4, patience_s=HEALED_WITHIN_S)


class Links:
    """A shop whose links are all proxied, and what its shoppers wrote down so far."""

    def __init__(self, stack, toxiproxy):
        self.toxiproxy = toxiproxy
        settings = {role: self._kafka(stack, role) for role in ROLES}
        self.daybook = Daybook(stack, name="links", command_wait_ms=2000, provider_timeout_ms=1500)
        for role in ("gateway", "projector"):
            port = toxiproxy.link(f"{role}-postgres", stack.postgres_port)
            settings[role]["postgres"] = stack.postgres(self.daybook.name, port)
        port = toxiproxy.link("connector-provider", self.daybook.provider_port)
        settings["connector"]["provider_url"] = f"http://127.0.0.1:{port}"
        self.daybook.install()
        self.roles = SplitRoles(self.daybook, settings=settings).start()
        self.entries = []
        self.figures = {}
        self.skus = open_shop(self.daybook)

    def _kafka(self, stack, role):
        proxy_port, broker_port = stack.link_ports(role)
        self.toxiproxy.link(f"{role}-kafka", broker_port, listen=proxy_port)
        return {"kafka_brokers": f"127.0.0.1:{proxy_port}"}

    def shoppers(self, name):
        return Shoppers(self.daybook.url, self.skus, self.daybook.directory / f"{name}.jsonl", habits=HABITS)

    def discard(self):
        self.roles.stop()
        self.daybook.discard()


@pytest.fixture(scope="module")
def links(tmp_path_factory):
    stack = Stack(proxied=ROLES)
    made = None
    try:
        stack.up()
        with Toxiproxy(tmp_path_factory.mktemp("toxiproxy")) as toxiproxy:
            made = Links(stack, toxiproxy)
            try:
                yield made
            finally:
                toxiproxy.heal()
                made.discard()
    finally:
        stack.discard()


class Watch:
    """What an operator and a reader see while the fault lasts."""

    def __init__(self, links, shoppers):
        self.links, self.shoppers = links, shoppers
        self.memory_mib = 0
        self.refused_queries = self.lagging = 0
        self.asked_again = shoppers.asked_again()
        self.front = httpx.Client(base_url=links.daybook.url, timeout=ANSWERED_WITHIN_S, auth=KEY)

    def look(self):
        query = self.front.get("/v1/orders?limit=1")
        assert query.status_code in (200, 503), query.text
        self.refused_queries += query.status_code == 503
        assert self.front.get("/health/live").status_code == 200
        assert self.front.get("/health/ready").status_code in (200, 503)
        self.lagging += self._is_behind()
        self.memory_mib = max(self.memory_mib, *(one.memory_mib() for one in self.links.roles.processes.values()))

    def _is_behind(self):
        """Whether the views do not know an order that was acknowledged two seconds ago."""
        known_by_now = journal.now_us() - 2_000_000
        orders = [
            entry.order
            for entry in journal.read(self.shoppers.path)
            if entry.op == "reserve" and entry.outcome == journal.OK and entry.return_us < known_by_now
        ]
        return bool(orders) and self.front.get(f"/v1/orders/{orders[-1]}").status_code == 404

    def _says_lag_0(self):
        page = self.links.roles["projector"].get("/metrics").text
        lags = [line for line in page.splitlines() if line.startswith("daybook_projection_lag_events{")]
        return all(line.endswith(" 0") for line in lags)

    def has_noticed(self, link):
        """Whether somebody was hindered."""
        if link == "projector-kafka":
            # And it must not say that it has seen all.
            return self.lagging > 0 and not self._says_lag_0()
        if link == "projector-postgres":
            return self.lagging > 0
        if link == "gateway-postgres":
            return self.refused_queries > 0
        return self.shoppers.asked_again() > self.asked_again


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("link", LINKS)
def test_a_harmed_link_costs_time_alone_and_heals_unaided(links, link, fault):
    name = f"{link}-{fault}"
    shoppers = links.shoppers(name)
    try:
        commands_s, watch = shopped_under(links, shoppers, link, fault)
    finally:
        links.entries += journal.read(shoppers.path)
    ended = time.monotonic()
    settled(links.daybook, HEALED_WITHIN_S)
    links.figures[name] = (commands_s, time.monotonic() - ended, watch.memory_mib)
    print(f"{name}: commands after {commands_s:.1f} s, lag 0 {links.figures[name][1]:.1f} s after the last one's answer")
    print(f"the largest process holds {watch.memory_mib} MiB; answers {dict(shoppers.answers)}")
    entries = journal.read(shoppers.path)
    assert all(entry.outcome != journal.UNKNOWN for entry in entries), "somebody was not answered after the link had healed"
    assert watch.memory_mib < MEMORY_MIB_MOST
    assert all(process.is_running() for process in links.roles.processes.values())
    judge(links.daybook, links.entries, views=False)


def shopped_under(links, shoppers, link, fault):
    """How long commands took to go on after the link had healed, and what was seen before."""
    with shoppers:
        shoppers.wait_for(5)
        watch = Watch(links, shoppers)
        links.toxiproxy.harm(link, fault)
        try:
            over = time.monotonic() + LASTS_S
            while time.monotonic() < over:
                watch.look()
            if fault in HARD:
                # What is seldom used, as a provider's link, is missed late.
                wait_until(lambda: watch.look() or watch.has_noticed(link), f"{link}-{fault} being noticed", 30)
        finally:
            links.toxiproxy.heal()
        healed = time.monotonic()
        shoppers.wait_for(10, HEALED_WITHIN_S)
        return time.monotonic() - healed, watch


def test_after_all_that_the_views_are_those_of_the_log(links):
    judge(links.daybook, links.entries)
    for name, (commands_s, lag_s, memory_mib) in links.figures.items():
        print(f"{name:32} commands go on after {commands_s:5.1f} s, lag 0 after {lag_s:5.1f} s, {memory_mib} MiB")
