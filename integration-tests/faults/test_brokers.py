"""Three brokers, of which one is killed in mid-transaction (CHECKS 2) or stopped and woken, two are killed, and the leadership moves."""

import random
import signal
import time

import pytest
from harness import journal
from harness.bounds import within
from harness.cluster import NODES, Cluster
from harness.judge import FAMILIES, judge, settled
from harness.kafka import OpenTransactions
from harness.roles import installed_apart
from harness.shop import open_shop
from harness.shoppers import Habits, Shoppers
from harness.waiting import wait_until

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

SHARDS = 4
GOES_ON_WITHIN_S = within(30)
LAG_0_WITHIN_S = within(30)
# What is on its way to a broker that hangs ends by its time-outs alone.
STOPPED_GOES_ON_WITHIN_S = within(120)
HABITS = Habits(threads=4)


@pytest.fixture(scope="module")
def shop():
    """(cluster, roles): two handlers, topics of three copies."""
    cluster = Cluster()
    try:
        cluster.up()
        settings = {"replication_factor": 3, "command_wait_ms": 5000}
        with installed_apart(cluster, "brokers", ("one", "two"), **settings) as roles:
            roles.entries = []
            roles.start().wait_shared_out()
            roles.skus = open_shop(roles.daybook)
            yield cluster, roles
    finally:
        cluster.discard()


def shoppers_of(roles, name):
    return Shoppers(roles.daybook.url, roles.skus, roles.daybook.directory / f"{name}.jsonl", habits=HABITS)


def handlers_stopped_in_mid_transaction(roles, partitions):
    """Returns with the handlers stopped (SIGSTOP) and a transaction open in one of these (topic, partition)."""
    rng = random.Random()
    handlers = [roles[name] for name in roles.handlers]

    def caught():
        for handler in handlers:
            handler.signal(signal.SIGSTOP)
        # Twice: a commit that was on its way has arrived meanwhile.
        for _ in range(3):
            if not any(transactions.records(*place) for place in partitions):
                break
        else:
            return True
        for handler in handlers:
            handler.signal(signal.SIGCONT)
        time.sleep(rng.uniform(0, 0.02))  # another moment of a batch's life
        return False

    with OpenTransactions(roles.daybook.kafka) as transactions:
        try:
            wait_until(caught, "a transaction that is open", 60, pause=0)
        except BaseException:
            for handler in handlers:
                handler.signal(signal.SIGCONT)
            raise


def event_partitions(cluster, roles, node=None):
    """(topic, partition) of all events, or of those that the broker leads."""
    topics = cluster.metadata().topics
    names = [roles.daybook.topic(family) for family in FAMILIES]
    return [
        (name, number)
        for name in names
        for number, partition in topics[name].partitions.items()
        if node in (None, partition.leader)
    ]


def transactions_are_over(roles):
    """The last stable offset of every partition stands at its end."""
    kafka = roles.daybook.kafka
    for family in (*FAMILIES, "commands", "outcomes"):
        topic = roles.daybook.topic(family)
        if kafka.end_offsets(topic) != kafka.end_offsets(topic, "read_uncommitted"):
            return False
    return True


def victim_of(cluster, roles, what):
    name = roles.daybook.name
    if what == "transaction coordinator":
        return cluster.coordinator("__transaction_state", f"{name}-handler-{name}_one-0-a")
    if what == "group coordinator":
        return cluster.coordinator("__consumer_offsets", f"{name}-handlers")
    return cluster.leader(roles.daybook.topic("orders"), 0)


@pytest.mark.parametrize("what", ["leader", "transaction coordinator", "group coordinator"])
def test_a_broker_killed_in_mid_transaction_is_done_without_and_comes_back(shop, what):
    cluster, roles = shop
    daybook = roles.daybook
    victim = victim_of(cluster, roles, what)
    with shoppers_of(roles, what.replace(" ", "-")) as shoppers:
        shoppers.wait_for(10)
        led = event_partitions(cluster, roles, victim)
        handlers_stopped_in_mid_transaction(roles, led or event_partitions(cluster, roles))
        cluster.kill_broker(victim)
        killed = time.monotonic()
        for name in roles.handlers:
            roles[name].signal(signal.SIGCONT)
        shoppers.wait_for(20, GOES_ON_WITHIN_S)
        print(f"{what} killed: 20 commands within {time.monotonic() - killed:.1f} s without it")
        restarted = time.monotonic()
        cluster.start_broker(victim)
        start_s = time.monotonic() - restarted
    settled(daybook, LAG_0_WITHIN_S)
    recovery_s = time.monotonic() - restarted
    print(f"lag 0 at {recovery_s:.1f} s after a broker's restart, of which its own start took {start_s:.1f} s")
    assert recovery_s < LAG_0_WITHIN_S
    wait_until(lambda: transactions_are_over(roles), "the last stable offsets at the end", LAG_0_WITHIN_S)
    print(f"three copies of everything after {cluster.wait_in_sync():.1f} s more")
    roles.entries += journal.read(shoppers.path)
    print(judge(daybook, roles.entries, views=False))


def test_a_leader_that_was_stopped_wakes_into_takeovers(shop):
    """It believes that it leads until it hears otherwise, and tells whoever takes a shard over at that moment an old end."""
    cluster, roles = shop
    topic = roles.daybook.topic("orders")
    with shoppers_of(roles, "woken") as shoppers:
        for name in roles.handlers:
            shoppers.wait_for(10)
            old = cluster.leader(topic, 0)
            cluster.pause(old)
            try:
                wait_until(lambda old=old: cluster.leader(topic, 0) not in (old, -1), "another leader", 60, pause=0.1)
                shoppers.wait_for(20, STOPPED_GOES_ON_WITHIN_S)
                roles[name].kill()
            finally:
                cluster.resume(old)
            roles.start(name)
            shoppers.wait_for(20, GOES_ON_WITHIN_S)
    settled(roles.daybook, LAG_0_WITHIN_S)
    cluster.wait_in_sync()
    roles.entries += journal.read(shoppers.path)
    print(judge(roles.daybook, roles.entries, views=False))


def test_with_one_broker_left_nothing_is_acknowledged_and_nothing_is_lost(shop):
    cluster, roles = shop
    daybook = roles.daybook
    with shoppers_of(roles, "one-left") as shoppers:
        shoppers.wait_for(10)
        dead = random.sample(NODES, 2)
        for node in dead:
            cluster.kill_broker(node)
        # The survivor leads everything, and nobody is waited for: that it has one copy is all that it can be refused for.
        cluster.wait_in_sync([node for node in NODES if node not in dead])
        answers = sum(shoppers.answers.copy().values())
        before = shoppers.successes()
        # Whatever is answered now is "ask again": a success would stand on one disk alone.
        # For as long as it takes to go on where that is allowed: twenty refusals alone are over in a second.
        over = time.monotonic() + GOES_ON_WITHIN_S
        wait_until(lambda: time.monotonic() > over, "the time in which others go on", GOES_ON_WITHIN_S + 5)
        assert sum(shoppers.answers.copy().values()) > answers + 20
        assert shoppers.successes() <= before + shoppers.habits.threads  # answers that were on their way
        for node in dead:
            cluster.start_broker(node)
        shoppers.wait_for(20, 60)
    settled(daybook, 60)
    wait_until(lambda: transactions_are_over(roles), "the last stable offsets at the end", 60)
    cluster.wait_in_sync()
    roles.entries += journal.read(shoppers.path)
    judge(daybook, roles.entries)
