"""A disk whose fsync fails under Kafka, PostgreSQL and Daybook's own state stores, or takes half a second under those.

The servers run with a library of ours before libc's (disk_faults.c), which a test steers while they run.
"""

import os
import signal
import time

import httpx
import pytest
from harness.daybook import Daybook
from harness.preload import Preloaded
from harness.processes import is_stopped
from harness.purchases import Shoppers
from harness.shop import Shop
from harness.stack import Stack
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

SLOW = "delay 500"


class Servers:
    """Kafka and PostgreSQL with the library; Daybook without it, or with one of its own."""

    def __init__(self, name):
        self.stack = Stack()
        self.fault = Preloaded("disk_faults", self.stack.directory)
        self.stack.environment |= self.fault.environment
        self.stack.up()
        self.daybook = Daybook(self.stack, name=name, provider_timeout_ms=2000).install().start()

    def restart_dead(self):
        """What has ended is started again, on a disk that works."""
        self.fault.say("")
        self.stack.up()
        wait_until(self.daybook.is_ready, "readiness", 120)

    def discard(self):
        self.fault.say("")
        try:
            self.daybook.service.kill()
            self.daybook.provider.stop()
            self.stack.kill()
        finally:
            self.stack.discard()


@pytest.fixture
def servers():
    made = []

    def make(name):
        made.append(Servers(name))
        return made[-1]

    yield make
    for one in made:
        one.discard()


def test_a_broker_whose_fsync_fails_ends_and_nothing_succeeds_after_it(servers):
    here = servers("eio")
    shoppers = Shoppers(here.daybook, count=4)
    with shoppers:
        shoppers.wait_for_acknowledged(10)
        here.fault.say("fail")
        failed_at = time.monotonic()
        wait_until(lambda: not here.stack.kafka_runs(), "the end of the broker", 60)
        # Those who come now are told the truth.
        count = len(shoppers.purchases)
        refused = {httpx.post(f"{here.daybook.url}/v1/carts", json={"currency": "EUR"}, timeout=30,
                              headers={"Idempotency-Key": f"after-the-end-of-the-broker-{n}"}).status_code
                   for n in range(3)}  # fmt: skip
        assert refused <= {202, 503}, refused
        assert len(shoppers.purchases) - count <= shoppers.count
    for purchase in shoppers.purchases:
        if purchase.sent_at > failed_at:
            assert not purchase.acknowledged, purchase.success[1].text
    assert here.daybook.service.is_running()
    here.restart_dead()
    assert not shoppers.lost()
    shoppers.check()


def test_a_database_whose_fsync_fails_tells_nobody_that_a_key_is_kept(servers):
    """A person's key exists nowhere else: a check-out that was taken without it would be noise for ever."""
    here = servers("panic")
    shoppers = Shoppers(here.daybook, count=2)
    with shoppers:
        shoppers.wait_for_acknowledged(5)
    with here.daybook.client() as client:
        shop = Shop(client)
        cart = shop.cart(("TEA", 1))["id"]
        # The broker has the library as well: only PostgreSQL is asked for something by this.
        kafka = here.stack.kafka_pid()
        os.kill(kafka, signal.SIGSTOP)
        wait_until(lambda: is_stopped(kafka), "the broker standing still")  # each thread takes its own moment
        try:
            here.fault.say("fail")
            answer = shop.check_out(cart, email="somebody-new@example.com")
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), answer.text
            log = here.stack.directory / "postgres.log"
            wait_until(lambda: "PANIC" in log.read_text(), "PostgreSQL's panic", 60)
            # It may be recovering by itself, or giving up, since that failed as well: either way it begins anew.
            here.stack.kill_postgres()
        finally:
            here.fault.say("")
            os.kill(kafka, signal.SIGCONT)
    here.restart_dead()
    # Each that was told of is there. The refused one may be: its record had been written, only not for sure.
    keys = here.daybook.sql.value("SELECT count(*) FROM vault.keys")
    assert keys in (len(shoppers.purchases), len(shoppers.purchases) + 1)
    shoppers.check()


@pytest.fixture
def own_disk(stack, tmp_path):
    """A Daybook whose own fsync can fail; the servers' disks are well."""
    fault = Preloaded("disk_faults", tmp_path)
    made = Daybook(stack, name="store")
    made.service.environment |= fault.environment
    try:
        yield made.install(), fault
    finally:
        fault.say("")
        made.discard()


def test_a_handler_whose_own_disk_fails_decides_nothing_and_goes_on_when_it_is_well(own_disk):
    daybook, fault = own_disk
    daybook.start()
    shoppers = Shoppers(daybook, count=2)
    with shoppers:
        shoppers.wait_for_acknowledged(10)
    fault.say("fail")
    # The stores cannot be brought to the disk: it says so by not calling them clean, and the log has it all.
    daybook.stop()
    daybook.service.start()
    # Not by its log, which has the lines of its first life as well.
    wait_until(lambda: httpx.get(f"{daybook.url}/health/live", timeout=5).status_code == 200, "the front")
    with daybook.client() as client:
        answer = client.post("/v1/carts", {"currency": "EUR"}, headers={"Prefer": "wait=1"})
        assert answer.status_code in (202, 503), answer.text
    assert daybook.service.is_running()
    fault.say("")
    wait_until(daybook.is_ready, "readiness", 60)
    with shoppers:
        shoppers.wait_for_acknowledged(10)
    shoppers.check()


def test_a_handler_whose_own_fsync_is_slow_is_as_quick_as_ever(own_disk):
    """Nothing waits for the stores: they are a cache, and are brought to the disk at a stop alone."""
    daybook, fault = own_disk
    fault.say(SLOW)
    daybook.start()
    shoppers = Shoppers(daybook, count=2)
    begun = time.monotonic()
    with shoppers:
        shoppers.wait_for_acknowledged(40)
    took = time.monotonic() - begun
    assert took < 20, f"40 purchases took {took:.1f} s: an fsync of half a second in each would be more"
    shoppers.check()
