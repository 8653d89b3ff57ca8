"""The command handler alone against a real broker: what it appends, and what survives when its processes die.

The tests are the gateway here: they write commands to the log themselves and read answers, events and offsets back, all
decoded with the published schemas and none of the program's own code.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections import defaultdict
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from harness.daybook import BINARY
from harness.events import shard_key, streams
from harness.kafka import Kafka
from harness.processes import Process, clean_environment
from harness.schemas import decode, encode
from harness.waiting import wait_until

SHARDS = 4
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# More by hand (KILLS=20): each costs the 6 s after which a group misses a member, and all tests have 25 minutes.
LIVES = int(os.environ.get("KILLS", "4"))


def ulid():
    number = uuid.uuid4().int
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


# ---- commands ---------------------------------------------------------------------------------------------------------


def meta(stream, command_id=None, **more):
    command_id = command_id or f"cmd_{ulid()}"
    return {
        "command_id": command_id,
        "stream": stream,
        "correlation_id": command_id,
        "causation_id": command_id,
        "actor": "anonymous",
        "issued_at": int(time.time() * 1e6),
        "client_key": True,
        "request_hash": b"hash",
        "expected_version": None,
        "reply_partition": 0,
        "reply_instance": "test",
    } | more


def open_cart(cart, **more):
    return "OpenCart", {"meta": meta(cart, **more), "currency": "EUR", "lines": [], "price_facts": []}


def set_line(cart, quantity, **more):
    fact = {"sku": "A", "product": "prod_x", "title": "A thing", "price": {"amount": 100, "currency": "EUR"}}
    return "SetCartLine", {"meta": meta(cart, **more), "sku": "A", "quantity": quantity, "price_facts": [fact]}


def place_order(order, skus):
    price = {"amount": 100, "currency": "EUR"}
    lines = [
        {"sku": sku, "product": "prod_x", "title": "A thing", "quantity": 1, "unit_price": price, "total": price}
        for sku in skus
    ]
    return "PlaceOrder", {
        "meta": meta(order),
        "cart": f"cart_{shard_key(order)}",
        "attempt": 1,
        "lines": lines,
        "total": {"amount": 100 * len(lines), "currency": "EUR"},
        "payment": {"provider": "test", "method": "approve"},
        "pending_command": "",
    }


class Installation:
    """Topics of its own, and handlers on them."""

    def __init__(self, stack, **settings):
        self.prefix = f"handler_{uuid.uuid4().hex[:8]}"
        self.directory = Path(tempfile.mkdtemp(prefix="daybook-handler-"))
        self.kafka = Kafka(stack.brokers)
        self.settings = {"kafka_brokers": stack.brokers, "topic_prefix": self.prefix, "shards": SHARDS} | settings
        # A producer that knows nothing of us: Java's own partitioning must lead to the right shard.
        self.producer = Producer({"bootstrap.servers": stack.brokers, "partitioner": "murmur2", "log_level": 2})
        self.handlers = []
        self.run("topics", "create")

    def topic(self, name):
        return f"{self.prefix}.{name}"

    def environment(self, name="one", **more):
        settings = self.settings | {"handler_name": name, "data_dir": self.directory / name} | more
        return {f"DAYBOOK_{setting.upper()}": str(value) for setting, value in settings.items()}

    def run(self, *arguments):
        subprocess.run(
            [BINARY, *arguments], env=clean_environment(self.environment()), check=True, timeout=60, capture_output=True
        )

    def handler(self, name="one", **settings):
        """A process with the handler's role alone."""
        log = self.directory / f"{name}.log"
        environment = self.environment(name, **settings)
        process = Process(f"handler {name}", [BINARY, "serve", "--role", "handler"], log, environment)
        self.handlers.append(process)
        return process

    def send(self, command):
        name, record = command
        stream = record["meta"]["stream"]
        self.producer.produce(self.topic("commands"), encode(name, record), shard_key(stream).encode())
        self.producer.poll(0)
        return record["meta"]["command_id"]

    def acknowledged(self):
        assert self.producer.flush(60) == 0

    def values(self, name):
        # A record without a value only asked the broker for its time.
        return [decode(record.value()) for record in self.kafka.records(self.topic(name)) if record.value()]

    def outcomes(self):
        """All that was recorded for each command, oldest first."""
        found = defaultdict(list)
        for _, outcome in self.values("outcomes"):
            found[outcome["command_id"]].append(outcome)
        return found

    def answered(self, command_ids, seconds=60):
        """Waits until each has an outcome at rest."""

        def all_there():
            found = self.outcomes()
            return all(found[id] and found[id][-1]["status"] != "pending" for id in command_ids) and found

        return wait_until(all_there, "an outcome for every command", seconds, pause=0.3)

    def streams(self, *families):
        """The (name, event) of each stream; asserts what must hold of any history."""
        found = streams(self.kafka, *map(self.topic, families))
        return defaultdict(list, {stream: [(told.name, told.event) for told in all_] for stream, all_ in found.items()})

    def note(self, shard, offset, text):
        """Writes such a note, as an owner would have."""
        group = ConsumerGroupTopicPartitions(
            f"{self.prefix}-handlers", [TopicPartition(self.topic("commands"), shard, offset, text)]
        )
        for done in self.kafka.admin.alter_consumer_group_offsets([group]).values():
            done.result(10)

    def next_commands(self):
        """The group's committed offset of each shard."""
        partitions = [TopicPartition(self.topic("commands"), shard) for shard in range(SHARDS)]
        asked = [ConsumerGroupTopicPartitions(f"{self.prefix}-handlers", partitions)]
        (answer,) = self.kafka.admin.list_consumer_group_offsets(asked).values()
        return [place.offset for place in sorted(answer.result(10).topic_partitions, key=lambda place: place.partition)]

    def retention_takes(self, name, offsets):
        """All before these offsets goes, as it does when its days are over."""
        partitions = [TopicPartition(self.topic(name), shard, offset) for shard, offset in enumerate(offsets)]
        for done in self.kafka.admin.delete_records(partitions).values():
            done.result(10)

    def discard(self):
        for handler in self.handlers:
            if handler.is_running():
                handler.signal(signal.SIGCONT)
                handler.stop()
        self.kafka.delete_topics(f"{self.prefix}.")
        shutil.rmtree(self.directory)


@pytest.fixture
def installation(stack):
    made = Installation(stack)
    try:
        yield made
    finally:
        made.discard()


def takeovers(process):
    """What the process's log says of the shards that it took over."""
    lines = process.log().splitlines() if process.log_path.exists() else []
    return [json.loads(line) for line in lines if '"shard taken over"' in line]


def started(process, shards=SHARDS):
    before = len(takeovers(process))
    process.start()
    process.wait_ready(lambda: len(takeovers(process)) >= before + shards)
    return process


# ---- what it appends --------------------------------------------------------------------------------------------------


def test_commands_become_events_once_and_are_answered(installation):
    started(installation.handler())
    carts = [f"cart_{ulid()}" for _ in range(20)]
    opened = [installation.send(open_cart(cart)) for cart in carts]
    lines = [installation.send(set_line(cart, 3)) for cart in carts]
    refused = installation.send(open_cart(carts[0]))
    repeated = open_cart(f"cart_{ulid()}")
    for _ in range(3):
        installation.send(repeated)
    installation.acknowledged()
    outcomes = installation.answered([*opened, *lines, refused, repeated[1]["meta"]["command_id"]])
    assert all(len(of_one) == 1 for of_one in outcomes.values())
    assert {outcomes[id][0]["status"] for id in opened + lines} == {"accepted"}
    assert outcomes[refused][0]["rejection"] == "already_exists"

    streams = installation.streams("carts")
    assert len(streams) == 21
    for cart in carts:
        assert [name for name, _ in streams[cart]] == ["CartOpened", "CartUpdated"]
    first = streams[carts[0]][0][1]["meta"]
    assert first["command_id"] == first["causation_id"] == first["correlation_id"] == opened[0]
    assert first["actor"] == "anonymous"
    # Every send of the same command was replied to, and the retries say that they are.
    again = repeated[1]["meta"]["command_id"]

    def replies():
        return sorted(reply["replayed"] for _, reply in installation.values("replies") if reply["command_id"] == again)

    wait_until(lambda: replies() == [False, True, True], "three replies")


def test_events_carry_cloudevents_headers_and_the_trace(installation):
    started(installation.handler())
    name, record = open_cart(f"cart_{ulid()}")
    trace = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
    installation.producer.produce(
        installation.topic("commands"),
        encode(name, record),
        shard_key(record["meta"]["stream"]).encode(),
        headers={"traceparent": trace},
    )
    installation.acknowledged()
    installation.answered([record["meta"]["command_id"]])
    (event,) = installation.kafka.records(installation.topic("carts"))
    headers = {key: value.decode() for key, value in event.headers()}
    assert headers["ce_subject"] == record["meta"]["stream"]
    assert headers["ce_id"].startswith("evt_")
    assert headers["ce_specversion"] == "1.0"
    assert headers["traceparent"] == trace
    (outcome,) = installation.kafka.records(installation.topic("outcomes"))
    assert outcome.key().decode() == record["meta"]["command_id"]


def test_the_next_owner_knows_how_the_last_one_ended_and_replays_nothing(installation):
    handler = started(installation.handler())
    ids = [installation.send(open_cart(f"cart_{ulid()}")) for _ in range(50)]
    installation.acknowledged()
    installation.answered(ids)
    assert {taken["left"] for taken in takeovers(handler)} == {"(nothing)"}
    assert handler.stop() == 0
    started(handler)
    assert {(taken["left"], taken["records"]) for taken in takeovers(handler)[-SHARDS:]} == {("clean", 0)}
    installation.answered([installation.send(open_cart(f"cart_{ulid()}"))])
    handler.kill()
    started(handler)
    assert {(taken["left"], taken["records"]) for taken in takeovers(handler)[-SHARDS:]} == {("open", 0)}
    installation.answered([installation.send(open_cart(f"cart_{ulid()}"))])


def test_a_quiet_shard_outlives_the_retention_of_its_commands(installation):
    """The last record of each shard is a transaction's marker, and retention takes it with the rest."""
    handler = started(installation.handler())
    # As a worker writes follow-ups for the shards of another one.
    worker = Producer({"bootstrap.servers": installation.kafka.brokers, "transactional.id": ulid(), "log_level": 2})
    worker.init_transactions(10)
    worker.begin_transaction()
    ids = []
    for shard in range(SHARDS):
        name, record = open_cart(f"cart_{ulid()}")
        # Poison where the key belongs elsewhere: it is consumed all the same.
        worker.produce(installation.topic("commands"), encode(name, record), b"key", shard)
        ids.append(record["meta"]["command_id"])
    worker.commit_transaction(10)
    installation.answered(ids)
    ends = installation.kafka.end_offsets(installation.topic("commands"))
    assert ends == [2] * SHARDS
    wait_until(lambda: installation.next_commands() == ends, "the offsets passing the markers", 30)
    handler.kill()
    installation.retention_takes("commands", ends)
    started(handler)
    assert [taken["next_command"] for taken in sorted(takeovers(handler)[-SHARDS:], key=lambda t: t["shard"])] == ends
    carts = [installation.send(open_cart(f"cart_{ulid()}")) for _ in range(20)]
    installation.acknowledged()
    installation.answered(carts)


def test_commands_that_retention_took_undecided_stop_their_shard(installation):
    handler = started(installation.handler())
    installation.answered([installation.send(open_cart(f"cart_{ulid()}")) for _ in range(40)])
    assert handler.stop() == 0
    for _ in range(40):
        installation.send(open_cart(f"cart_{ulid()}"))
    installation.acknowledged()
    installation.retention_takes("commands", installation.kafka.end_offsets(installation.topic("commands")))
    handler.start()
    wait_until(lambda: handler.log().count("shard stopped") >= SHARDS, "every shard being stopped", 30)
    assert "`daybook shards` sets it" in handler.log()


# ---- poison -----------------------------------------------------------------------------------------------------------


def test_poison_is_set_aside_and_the_shard_goes_on(installation):
    started(installation.handler())
    torn = encode(*open_cart("cart_X"))[:-3]
    unknown = b"\0\0\0\xff\xff" + torn[5:]
    for value in (b"", b"garbage", torn, unknown, b"\0" * 900_000):
        for shard in range(SHARDS):
            installation.producer.produce(installation.topic("commands"), value, b"key", shard)
    carts = [installation.send(open_cart(f"cart_{ulid()}")) for _ in range(20)]
    # An event topic gets some as well: the next takeover passes it over.
    installation.kafka.produce(installation.topic("carts"), [b"garbage"])
    installation.acknowledged()
    installation.answered(carts)
    letters = installation.kafka.records(installation.topic("dead-letters"))
    assert len(letters) == 5 * SHARDS
    headers = dict(letters[0].headers())
    assert headers["daybook_topic"].decode() == installation.topic("commands")
    assert headers["daybook_reason"]
    assert {int(dict(letter.headers())["daybook_partition"]) for letter in letters} == set(range(SHARDS))
    installation.handlers[0].kill()
    started(installation.handlers[0])
    installation.answered([installation.send(open_cart(f"cart_{ulid()}"))])


def test_a_command_that_ended_two_owners_is_set_aside(installation):
    handler = started(installation.handler())
    cart = f"cart_{ulid()}"
    installation.answered([installation.send(open_cart(cart))])
    handler.stop()
    started(handler).stop()
    shard = installation.kafka.records(installation.topic("carts"))[0].partition()
    (next_command,) = [taken["next_command"] for taken in takeovers(handler)[-SHARDS:] if taken["shard"] == shard]
    suspect = installation.send(set_line(cart, 5))
    installation.acknowledged()
    installation.note(shard, next_command, f"suspect:{next_command}:2")
    started(handler)
    (outcome,) = installation.answered([suspect])[suspect]
    assert outcome["rejection"] == "malformed_command"
    assert len(installation.kafka.records(installation.topic("dead-letters"))) == 1
    later = installation.send(set_line(cart, 6))
    assert installation.answered([later])[later][0]["status"] == "accepted"
    assert [name for name, _ in installation.streams("carts")[cart]] == ["CartOpened", "CartUpdated"]


# ---- clocks -----------------------------------------------------------------------------------------------------------

AHEAD = """
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    long failed = syscall(SYS_clock_gettime, clock, now);
    now->tv_sec += clock == CLOCK_REALTIME ? 3600 : 0;
    return (int)failed;
}
"""


def test_on_a_host_whose_clock_is_ahead_of_the_brokers_no_timer_fires(installation):
    source, library = installation.directory / "ahead.c", installation.directory / "ahead.so"
    source.write_text(AHEAD)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    handler = started(installation.handler())
    installation.answered([installation.send(open_cart(f"cart_{ulid()}"))])
    handler.stop()
    assert "clocks disagree" not in handler.log()
    hasty = installation.handler("hasty")
    hasty.environment["LD_PRELOAD"] = str(library)
    started(hasty)
    # Nothing was sent to it: it has asked the broker itself.
    wait_until(lambda: hasty.log().count("clocks disagree: timers stand still") == SHARDS, "every shard's timers standing")
    installation.answered([installation.send(open_cart(f"cart_{ulid()}"))])


# ---- dying ------------------------------------------------------------------------------------------------------------


def check_orders(installation, orders):
    """No unit was in stock, so each order was refused by each of its SKUs, once, and rejected, once."""
    streams = installation.streams("orders", "stock")
    for order in orders:
        names = [name for name, _ in streams[order]]
        assert names == ["OrderPlaced", "OrderRejected"], f"{order}: {names}"
    refusals = defaultdict(int)
    for stream, events in streams.items():
        if stream.startswith("sku_"):
            for name, event in events:
                assert name == "StockReservationRefused"
                refusals[event["owner"], stream] += 1
    assert set(refusals.values()) == {1}
    assert len(refusals) == 3 * len(orders)


def send_orders(installation, count, rng):
    skus = [f"S{number}" for number in range(40)]
    orders = [f"ord_{ulid()}.1" for _ in range(count)]
    ids = [installation.send(place_order(order, rng.sample(skus, 3))) for order in orders]
    return orders, ids


def orders_at_rest(installation, orders):
    def all_rejected():
        names = [name for name, _ in installation.values("orders")]
        return names.count("OrderRejected") >= len(orders)

    wait_until(all_rejected, "every order coming to rest", 90, pause=0.5)


@pytest.mark.slow
def test_killed_at_random_moments_each_command_takes_effect_once(installation):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    handler = started(installation.handler())
    orders, ids = [], []
    for life in range(LIVES):
        before = sum(installation.kafka.end_offsets(installation.topic("outcomes")))
        more_orders, more_ids = send_orders(installation, 40, rng)
        orders += more_orders
        ids += more_ids
        installation.acknowledged()
        if life % 2:
            wait_until(
                lambda: sum(installation.kafka.end_offsets(installation.topic("outcomes"))) > before, "some progress"
            )
        time.sleep(rng.uniform(0, 0.4))  # the moment of death is what is random here
        handler.kill()
        started(handler)
    installation.acknowledged()
    outcomes = installation.answered(ids)
    assert all(len(outcomes[id]) == 1 and outcomes[id][0]["status"] == "accepted" for id in ids)
    orders_at_rest(installation, orders)
    check_orders(installation, orders)


@pytest.mark.slow
def test_a_stopped_owner_is_replaced_and_commits_nothing_when_it_wakes(installation):
    rng = random.Random(7)
    first = started(installation.handler("first"))
    orders, ids = send_orders(installation, 200, rng)
    installation.acknowledged()
    wait_until(lambda: installation.kafka.end_offsets(installation.topic("orders")) != [0] * SHARDS, "the first orders")
    first.signal(signal.SIGSTOP)
    more_orders, more_ids = send_orders(installation, 200, rng)
    second = started(installation.handler("second"))
    third_orders, third_ids = send_orders(installation, 100, rng)
    first.signal(signal.SIGCONT)
    orders += more_orders + third_orders
    ids += more_ids + third_ids
    installation.acknowledged()
    outcomes = installation.answered(ids)
    assert all(len(outcomes[id]) == 1 for id in ids)
    orders_at_rest(installation, orders)
    check_orders(installation, orders)
    assert first.is_running() and second.is_running()
    # Both have shards again, and both work.
    wait_until(lambda: len(takeovers(first)) > SHARDS, "the first worker getting shards again", 60)
    late = [installation.send(open_cart(f"cart_{ulid()}")) for _ in range(40)]
    installation.acknowledged()
    installation.answered(late)


@pytest.mark.slow
def test_shards_move_from_process_to_process_while_orders_flow(installation):
    rng = random.Random(11)
    started(installation.handler("first"))
    second = installation.handler("second")
    orders, ids = [], []
    for _ in range(3):
        more_orders, more_ids = send_orders(installation, 50, rng)
        orders, ids = orders + more_orders, ids + more_ids
        started(second, shards=1)
        more_orders, more_ids = send_orders(installation, 50, rng)
        orders, ids = orders + more_orders, ids + more_ids
        second.stop()
    installation.acknowledged()
    outcomes = installation.answered(ids)
    assert all(len(outcomes[id]) == 1 for id in ids)
    orders_at_rest(installation, orders)
    check_orders(installation, orders)


@pytest.mark.slow
def test_a_broker_killed_in_mid_transaction_costs_nothing(mortal_stack):
    installation = Installation(mortal_stack)
    try:
        rng = random.Random(3)
        handler = started(installation.handler())
        orders, ids = send_orders(installation, 150, rng)
        wait_until(
            lambda: installation.kafka.end_offsets(installation.topic("orders")) != [0] * SHARDS, "the first orders"
        )
        mortal_stack.kill_kafka()
        mortal_stack.start_kafka()
        more_orders, more_ids = send_orders(installation, 100, rng)
        orders, ids = orders + more_orders, ids + more_ids
        installation.acknowledged()
        outcomes = installation.answered(ids, 90)
        assert all(len(outcomes[id]) == 1 for id in ids)
        orders_at_rest(installation, orders)
        check_orders(installation, orders)
        assert handler.is_running()
    finally:
        installation.discard()
