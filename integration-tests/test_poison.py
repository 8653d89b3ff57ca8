"""What cannot be understood, on every topic that Daybook reads: it is counted, and the work goes on."""

import itertools

import pytest
from harness.daybook import VIEWS, Daybook
from harness.shop import Shop
from harness.waiting import wait_until

SHARDS = 4
FAMILIES = ("catalog", "stock", "carts", "orders", "payments", "identities", "customers", "keys", "categories")
TOPICS_READ = {"sales": 3}  # by a view, if more than one
# Not framed; then framed with a schema and nothing behind it, and with a schema that nobody knows.
FOREIGN = (b"", b"garbage", b"\1\0\0\0\1{}")
POISON = (*FOREIGN, b"\0\0\0\0\1", b"\0\0\0\xff\xff" + b"x" * 100)

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def daybook(stack):
    installation = Daybook(stack, name="poison")
    try:
        yield installation.install().start()
    finally:
        installation.discard()


def poison(daybook, topics, values=POISON):
    """All of it, into every shard; how many records each topic got."""
    for topic in topics:
        for shard in range(SHARDS):
            daybook.kafka.produce(daybook.topic(topic), values, shard)
    return len(values) * SHARDS


def buy_on_every_shard(daybook):
    """Orders until each shard has had one, at a SKU of its own."""
    sku = f"POISON-{next(_numbers)}"
    seen = set()
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells(sku, 100, 100)
        while len(seen) < SHARDS:
            shop.buy((sku, 1))
            seen = {record.partition() for record in daybook.kafka.records(daybook.topic("payments")) if record.key()}


def figure(daybook, name):
    return daybook.metrics()[name]


def test_poison_among_the_commands_is_dead_lettered_and_counted(daybook):
    buy_on_every_shard(daybook)
    count = poison(daybook, ["commands"])
    wait_until(lambda: figure(daybook, "daybook_handler_dead_letters_total") == count, "the dead letters")
    # They are counted as they are decided, and to be read when that is committed.
    wait_until(lambda: len(daybook.kafka.records(daybook.topic("dead-letters"))) == count, "the dead letters to be read")
    buy_on_every_shard(daybook)


def test_poison_among_the_replies_is_counted_and_answers_still_come(daybook):
    count = poison(daybook, ["replies"])
    # The front reads one shard of them, which it chose at its start.
    wait_until(lambda: figure(daybook, "daybook_gateway_unreadable_replies_total") == count / SHARDS, "the poison")
    buy_on_every_shard(daybook)


def test_poison_among_events_is_set_aside_by_views_and_the_provider_is_still_called(daybook):
    count = poison(daybook, FAMILIES, FOREIGN)
    for view in VIEWS:
        name = f'daybook_projection_parked{{view="{view}"}}'
        parked = count * TOPICS_READ.get(view, 1)
        wait_until(lambda: figure(daybook, name) == parked, f"{view} to set it aside")
    buy_on_every_shard(daybook)


def test_poison_among_events_and_outcomes_does_not_stop_the_next_owner(daybook):
    """An event in our framing that cannot be read is another matter: it stops its shard until somebody has looked, and is
    told in core/handler/takeover_test.c."""
    count = len(FAMILIES) * poison(daybook, FAMILIES, FOREIGN) + poison(daybook, ["outcomes"])
    daybook.restart()
    # Whoever takes a shard over reads all that its store has not seen: the poison behind the last good record, and on
    # shards that had none the poison of the test before.
    assert figure(daybook, "daybook_handler_foreign_total") >= count
    buy_on_every_shard(daybook)
