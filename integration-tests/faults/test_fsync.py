"""A disk whose fsync takes half a second, or fails: under Kafka, PostgreSQL and Daybook's own state stores.

The servers run with a library of ours before libc's (disk_faults.c), which a test steers while they run.
"""

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness import journal
from harness.daybook import Daybook
from harness.judge import lost
from harness.preload import Preloaded
from harness.processes import is_stopped
from harness.shop import EUR
from harness.shopped import judged, shopped, shoppers_of
from harness.stack import Stack
from harness.volumes import Disk
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

SLOW = "delay 500"
# With these a commit takes a second or so, and shoppers are told of it.
LESS_SLOW, LIES_LESS_SLOWLY = "delay 50", "lie 50"
CROWD = 100
DONE_SLOWLY = 10
GOES_ON_WITHIN_S = 60.0


class Servers:
    """Kafka and PostgreSQL with the library; Daybook without it, or with one of its own."""

    def __init__(self, name, on_disk=False):
        self.stack = Stack()
        self.fault = Preloaded("disk_faults", self.stack.directory)
        self.stack.environment |= self.fault.environment
        self.disk = Disk(self.stack.directory / "disk") if on_disk else None
        self.stack.up()
        if self.disk:
            self.stack.keep_on(self.disk)
        self.daybook = Daybook(self.stack, name=name, provider_timeout_ms=2000).install().start()

    def restart_dead(self):
        """What has ended is started again, on a disk that works."""
        self.fault.say("")
        self.stack.up()
        wait_until(self.daybook.is_ready, "readiness", 120)

    def power_cut(self):
        """With the disk as slow as it was; it is well when the power comes back."""
        self.disk.cut()
        self.stack.kill()
        self.disk.mend()
        self.fault.say("")

    def discard(self):
        self.fault.say("")
        try:
            self.daybook.service.kill()
            self.daybook.provider.stop()
            self.stack.kill()
        finally:
            if self.disk:
                self.disk.discard()
            self.stack.discard()


@pytest.fixture
def servers():
    made = []

    def make(name, **options):
        made.append(Servers(name, **options))
        return made[-1]

    yield make
    for one in made:
        one.discard()


def told_later(shoppers):
    """Returns when what is asked is not decided while whoever asked waits."""
    before = shoppers.asked_again(202, 503)
    wait_until(lambda: shoppers.asked_again(202, 503) >= before + 8, "eight honest answers", 120)


def refused_of_a_crowd(shoppers):
    """Each brings a unit of the same goods, all at once; the answers of those whom their shard has no room for."""

    def one(_):
        receipt = {"location": "main", "quantity": 1}
        return shoppers.ask_beside("receive", "/v1/stock/plenty/receipts", receipt, http=http)[1]

    limits = httpx.Limits(max_connections=CROWD)
    with httpx.Client(timeout=30, limits=limits) as http, ThreadPoolExecutor(CROWD) as pool:
        answers = list(pool.map(one, range(CROWD)))
    told = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    print(f"a crowd of {CROWD} was told {dict(told)}")
    assert {status for status, _ in told} <= {200, 202, 503}
    return [answer for answer in answers if answer.status_code == 503]


def test_with_an_fsync_of_half_a_second_nobody_is_told_of_success_before_it_is_on_the_disk(servers):
    """At half a second no commit is done within the time that a request waits, and so none is told of. On a disk that is less slow
    some are: whoever answered too early would have told what the power cut takes."""
    here = servers("slow", on_disk=True)
    with shopped(here.daybook, 120, threads=3, attempt_s=30) as shoppers:
        shoppers.wait_for(10)
        here.fault.say(SLOW)
        told_later(shoppers)
        refused = refused_of_a_crowd(shoppers)
        assert refused, "more was let in than a shard can come to"
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        here.fault.say("")
        well = time.monotonic()
        shoppers.wait_for(20, GOES_ON_WITHIN_S)
        print(f"20 operations {time.monotonic() - well:.1f} s after the disk was well")
        here.fault.say(LESS_SLOW)
        slow = time.monotonic()
        shoppers.wait_for(DONE_SLOWLY, 120)
        print(f"{DONE_SLOWLY} operations in {time.monotonic() - slow:.1f} s of a slow disk")
        assert not shoppers.asked_again(0), "somebody was left without an answer"
        here.power_cut()
        told = shoppers.acknowledged()
        here.stack.up()
        assert not lost(here.daybook, told)
        well = time.monotonic()
        wait_until(here.daybook.is_ready, "readiness", 120)
        shoppers.wait_for(20, GOES_ON_WITHIN_S)
        print(f"20 operations {time.monotonic() - well:.1f} s after the servers were back")


def test_with_an_fsync_that_lies_the_same_cut_takes_what_was_acknowledged(servers):
    here = servers("lies", on_disk=True)
    with shoppers_of(here.daybook, threads=3, attempt_s=30, patience_s=0) as shoppers:
        shoppers.wait_for(10)
        here.fault.say(LIES_LESS_SLOWLY)
        shoppers.wait_for(DONE_SLOWLY, 120)
        here.daybook.kill()
        here.power_cut()
    shoppers.assert_content()
    told = shoppers.acknowledged()
    here.stack.start_kafka()
    gone = lost(here.daybook, told)
    print(f"lost by an fsync that lies: {len(gone)} of {len(told)}")
    assert gone


def test_a_broker_whose_fsync_fails_ends_and_nothing_succeeds_after_it(servers):
    here = servers("eio")
    with shopped(here.daybook, 120, threads=4, methods=("approve",)) as shoppers:
        shoppers.wait_for(10, 90, "reserve")
        here.fault.say("fail")
        failed_at_us = journal.now_us()
        wait_until(lambda: not here.stack.kafka_runs(), "the end of the broker", 60)
        # Those who come now are told the truth.
        refused = {shoppers.ask_beside("command", "/v1/carts", {"currency": EUR})[1].status_code for _ in range(3)}
        assert refused <= {202, 503}, refused
        told = shoppers.acknowledged()
        late = [entry for entry in told if entry.invoke_us > failed_at_us]
        assert not late, late
        assert here.daybook.service.is_running()
        here.stack.kill_postgres()  # its fsync failed as well, and what it does then is its own matter
        here.restart_dead()
        assert not lost(here.daybook, told)
        shoppers.wait_for(10, 90, "reserve")


def test_a_database_whose_fsync_fails_tells_nobody_that_a_key_is_kept(servers):
    """A person's key exists nowhere else: a check-out that was taken without it would be noise for ever."""
    here = servers("panic")
    with shoppers_of(here.daybook, threads=2, methods=("approve",)) as shoppers:
        shoppers.wait_for(5, 90, "reserve")
    line = {"sku": "plenty", "quantity": 1}
    cart, _ = shoppers.ask_beside("command", "/v1/carts", {"currency": EUR, "lines": [line]})
    # The broker has the library as well: only PostgreSQL is asked for something by this.
    kafka = here.stack.kafka_pid()
    os.kill(kafka, signal.SIGSTOP)
    try:
        wait_until(lambda: is_stopped(kafka), "the broker standing still")  # each thread takes its own moment
        here.fault.say("fail")
        order = {"payment": {"provider": "test", "method": "approve"}, "email": "somebody-new@example.com"}
        _, answer = shoppers.ask_beside("reserve", f"/v1/carts/{cart.order}/checkout", order)
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
    people = len([entry for entry in journal.read(shoppers.path) if entry.op == "reserve"])
    assert here.daybook.sql.value("SELECT count(*) FROM vault.keys") in (people, people + 1)
    judged(here.daybook, shoppers, 120)


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
    with shopped(daybook, 120, threads=2, methods=("approve",)) as shoppers:
        shoppers.wait_for(10, 90, "reserve")
        fault.say("fail")
        # The stores cannot be brought to the disk: it says so by not calling them clean, and the log has it all.
        daybook.stop()
        done = shoppers.successes()
        daybook.service.start()
        # Not by its log, which has the lines of its first life as well.
        wait_until(lambda: httpx.get(f"{daybook.url}/health/live", timeout=5).status_code == 200, "the front")
        cart = {"currency": EUR}
        _, answer = shoppers.ask_beside("command", "/v1/carts", cart, headers={"Prefer": "wait=1"})
        assert answer.status_code in (202, 503), answer.text
        assert daybook.service.is_running()
        assert shoppers.successes() <= done + shoppers.habits.threads  # those that were being told as it stopped
        fault.say("")
        wait_until(daybook.is_ready, "readiness", 60)
        shoppers.wait_for(10, 90, "reserve")


def test_a_handler_whose_own_fsync_is_slow_is_as_quick_as_ever(own_disk):
    """Nothing waits for the stores: they are a cache, and are brought to the disk at a stop alone."""
    daybook, fault = own_disk
    fault.say(SLOW)
    daybook.start()
    with shopped(daybook, 120, threads=2, methods=("approve",)) as shoppers:
        begun = time.monotonic()
        shoppers.wait_for(40, 90, "reserve")
        took = time.monotonic() - begun
    assert took < 20, f"40 orders took {took:.1f} s: an fsync of half a second in each would be more"
