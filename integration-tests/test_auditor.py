"""`daybook topics`, `replay`, `why` and `verify` on a real broker, over histories that this file writes itself: encoded with the
published schemas, chained with Python's own BLAKE2b, placed by librdkafka's murmur2, and committed in transactions. The
program under test sees them for the first time when it reads them."""

import hashlib
import io
import json
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

import fastavro
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
from harness.daybook import BINARY
from harness.kafka import Kafka
from harness.processes import clean_environment
from harness.stack import ROOT
from harness.waiting import wait_until

SHARDS = 4
T0 = 1_763_880_000_000_000  # 2025-11-23T06:40:00Z
CART = "cart_01JD0000000000000000000002"
PAYMENT = "pay_01JD0000000000000000000002.1.1"


def _registry():
    found = {}
    for line in (ROOT / "schemas" / "registry.tsv").read_text().splitlines()[1:]:
        number, subject, version, _ = line.split("\t")
        name = subject.rsplit(".", 1)[1]
        path = next((ROOT / "schemas").glob(f"*/{name}/{version}.avsc"))
        found[name] = (int(number), path.parent.parent.name, fastavro.parse_schema(json.loads(path.read_text())))
    return found


SCHEMAS = _registry()


def shard_key(stream):
    key = stream.split("_", 1)[1]
    return key if stream.startswith("sku_") else key.split(".")[0]


class Books:
    """Topics of its own, a writer of events, and the program that reads them."""

    def __init__(self, stack):
        self.prefix = f"auditor_{uuid.uuid4().hex[:8]}"
        self.kafka = Kafka(stack.brokers)
        self.settings = {"kafka_brokers": stack.brokers, "topic_prefix": self.prefix, "shards": SHARDS}
        self.streams = {}
        self.events = 0
        self.producer = Producer(
            {
                "bootstrap.servers": stack.brokers,
                "transactional.id": self.prefix,
                "partitioner": "murmur2",
                "log_level": 2,
            }
        )
        self.producer.init_transactions(30)

    def run(self, *arguments, expect=0):
        environment = {f"DAYBOOK_{name.upper()}": str(value) for name, value in self.settings.items()}
        ended = subprocess.run(
            [BINARY, *arguments], env=clean_environment(environment), capture_output=True, text=True, timeout=60
        )
        assert expect is None or ended.returncode == expect, ended.stdout + ended.stderr
        return ended

    def event(self, name, stream, **fields):
        """The next event of the stream; `meta` among the fields changes what would be right."""
        number, family, schema = SCHEMAS[name]
        version, previous = self.streams.get(stream, (0, bytes(32)))
        self.events += 1
        meta = {
            "event_id": f"evt_{self.events:026d}",
            "stream": stream,
            "version": version + 1,
            "occurred_at": T0 + self.events * 1_000_000,
            "command_id": "cmd_01JD0000000000000000000003",
            "correlation_id": "cmd_01JD0000000000000000000003",
            "causation_id": "cmd_01JD0000000000000000000003",
            "actor": "anonymous",
            "prev_hash": previous,
        } | fields.pop("meta", {})
        out = io.BytesIO()
        out.write(b"\0" + number.to_bytes(4, "big"))
        fastavro.schemaless_writer(out, schema, {"meta": meta} | fields)
        value = out.getvalue()
        self.streams[stream] = (meta["version"], hashlib.blake2b(value, digest_size=32).digest())
        self.producer.produce(f"{self.prefix}.{family}", value, shard_key(stream))

    def begin(self):
        self.producer.begin_transaction()

    def commit(self):
        self.producer.commit_transaction(30)

    def abort(self):
        self.producer.flush(30)
        self.producer.abort_transaction(30)

    def reopened(self, stream=CART, **fields):
        self.event("CartReopened", stream, order="ord_01JD0000000000000000000002.1", reason="out_of_stock", **fields)

    def requested(self, minor=1000):
        self.event(
            "PaymentRequested",
            PAYMENT,
            order="ord_01JD0000000000000000000002.1",
            amount={"amount": minor, "currency": "EUR"},
            provider="test",
            method="approve",
            intent=f"{PAYMENT}.charge",
        )

    def captured(self, minor=1000):
        self.event(
            "PaymentCaptured", PAYMENT, amount={"amount": minor, "currency": "EUR"}, provider_ref="ref"
        )


@pytest.fixture
def books(stack):
    made = Books(stack)
    made.run("topics", "create")
    yield made
    made.kafka.delete_topics(f"{made.prefix}.")


# ---- topics -----------------------------------------------------------------------------------------------------------


def test_topics_are_created_once_and_checked(stack):
    books = Books(stack)
    missing = books.run("topics", "check", expect=3).stdout
    assert missing.count("does not exist") == 13
    books.run("topics", "create")
    assert books.kafka.topics(f"{books.prefix}.") == dict.fromkeys(
        (line.split(":")[0] for line in missing.splitlines()), SHARDS
    )
    assert "as they must be" in books.run("topics", "create").stdout
    books.settings["shards"] = 8
    assert f"{books.prefix}.carts: has 4 partitions, not 8" in books.run("topics", "check", expect=3).stdout
    books.settings |= {"shards": SHARDS, "replication_factor": 3}
    said = books.run("topics", "check", expect=3).stdout
    assert f"{books.prefix}.carts: has 1 copy of a partition, not 3" in said
    assert f"{books.prefix}.carts: min.insync.replicas is 1, not 2" in said
    books.kafka.delete_topics(f"{books.prefix}.")


def test_a_topic_whose_records_could_be_lost_is_named(books):
    resource = ConfigResource(
        ConfigResource.Type.TOPIC,
        f"{books.prefix}.orders",
        incremental_configs=[
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in {"cleanup.policy": "compact", "retention.ms": "1000"}.items()
        ],
    )
    for altered in books.kafka.admin.incremental_alter_configs([resource]).values():
        altered.result(30)
    differences = [
        f"{books.prefix}.orders: cleanup.policy is compact, not delete",
        f"{books.prefix}.orders: retention.ms is 1000, not -1",
    ]
    # The broker hears of the change a moment later.
    wait_until(lambda: books.run("topics", "check", expect=None).stdout.splitlines() == differences, "the differences")
    books.run("topics", "check", expect=3)


def test_without_a_broker_there_is_a_clear_line(stack):
    books = Books(stack)
    books.settings["kafka_brokers"] = "127.0.0.1:9"
    asked = (("topics", "check"), ("verify",), ("replay", CART), ("why", CART))
    with ThreadPoolExecutor(len(asked)) as together:  # each waits ten seconds for the broker
        told = together.map(lambda arguments: books.run(*arguments, expect=1).stderr, asked)
        for arguments, said in zip(asked, told, strict=True):
            assert f"daybook {arguments[0]}: " in said


# ---- verify -----------------------------------------------------------------------------------------------------------


def test_committed_histories_are_sound_and_aborted_ones_are_not_seen(books):
    books.begin()
    for number in range(200):
        books.reopened(f"cart_{number % 20:026d}")
    books.requested()
    books.captured()
    books.commit()
    sound = dict(books.streams)
    books.begin()
    books.reopened(meta={"version": 99})
    books.captured()
    books.abort()
    books.streams = sound
    books.begin()
    books.reopened()
    books.commit()
    summary = books.run("verify").stdout
    assert "22 streams" in summary
    assert f"{books.prefix}.carts".ljust(32) + " ".rjust(13 - 3) + "201 records" in summary
    assert "sound: 0 violations" in summary


def test_each_way_of_being_wrong_is_named_with_its_place(books):
    books.begin()
    books.reopened()
    books.reopened(meta={"prev_hash": bytes(32)})
    books.reopened(meta={"version": 5})
    books.requested()
    books.captured(1001)
    books.captured(1)
    books.producer.produce(f"{books.prefix}.orders", b"poison", "key", 2)
    books.commit()
    lines = books.run("verify", expect=3).stdout.splitlines()
    found = [line for line in lines if " at offset " in line]
    assert len(found) == 5
    assert any(line.startswith("history: ") and "does not carry the hash" in line for line in found)
    assert any(line.startswith("history: ") and "version 5 stands after version 2" in line for line in found)
    assert any(line.startswith("money: ") and "1001 captured, 1000 authorized" in line for line in found)
    assert any(line.startswith("money: ") and "captured a second time" in line for line in found)
    assert f"record: {books.prefix}.orders[2] at offset 0, : a record without a schema frame (6 bytes)" in found
    assert lines[-1] == "NOT SOUND: 5 violations"


def test_an_open_transaction_at_the_end_is_waited_for(books):
    books.begin()
    books.reopened()
    books.producer.flush(30)
    environment = {f"DAYBOOK_{name.upper()}": str(value) for name, value in books.settings.items()}
    with subprocess.Popen([BINARY, "verify"], env=clean_environment(environment), stdout=subprocess.PIPE) as verify:
        with pytest.raises(subprocess.TimeoutExpired):
            verify.wait(2)
        books.commit()
        assert b"1 streams" in verify.communicate(timeout=30)[0]


# ---- replay -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def paid(books):
    books.begin()
    books.requested()  # at T0 + 1 s
    books.captured()  # at T0 + 2 s
    books.commit()
    return books


def lines_of(ended):
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_replay_shows_the_events_and_the_state(paid):
    first, second, state = lines_of(paid.run("replay", PAYMENT, "--json"))
    assert first["type"] == "PaymentRequested"
    assert first["event"]["amount"] == {"amount": 1000, "currency": "EUR"}
    assert second["event"]["meta"]["version"] == 2
    assert state["version"] == 2
    assert (state["state"]["status"], state["state"]["captured"]) == ("captured", 1000)
    text = paid.run("replay", PAYMENT).stdout
    assert "PaymentCaptured" in text
    assert "as it stood at version 2 (2025-11-23T06:40:02.000000Z)" in text


@pytest.mark.parametrize("as_of", ["1", "2025-11-23T06:40:01Z", "2025-11-23T07:40:01.5+01:00"])
def test_replay_shows_the_state_as_it_stood(paid, as_of):
    event, state = lines_of(paid.run("replay", PAYMENT, "--as-of", as_of, "--json"))
    assert event["event"]["meta"]["version"] == 1
    assert (state["version"], state["state"]["status"]) == (1, "requested")


def test_replay_says_what_is_not_there(paid):
    assert "there is no payment" in paid.run("replay", "pay_01JD0000000000000000000002.1.2", expect=1).stderr
    early = paid.run("replay", PAYMENT, "--as-of", "2020-01-01T00:00:00Z", expect=1).stderr
    assert "its first event is of 2025-11-23T06:40:01.000000Z" in early
    assert "the newest is 2" in paid.run("replay", PAYMENT, "--as-of", "7").stderr
    assert "not the id of a stream" in paid.run("replay", "pay_x", expect=2).stderr
    assert "--as-of takes" in paid.run("replay", PAYMENT, "--as-of", "yesterday", expect=2).stderr


def test_replay_stops_where_the_chain_is_broken(books):
    books.begin()
    books.reopened()
    books.reopened(meta={"prev_hash": b"\1" * 32})
    books.commit()
    ended = books.run("replay", CART, "--json", expect=3)
    assert [line["event"]["meta"]["version"] for line in lines_of(ended)] == [1]
    assert "version 2 does not carry the hash of the record before it" in ended.stderr


# ---- why --------------------------------------------------------------------------------------------------------------


def test_why_tells_each_event_with_its_cause_and_how_it_stands(paid):
    first, second, last = lines_of(paid.run("why", PAYMENT, "--json"))
    assert (first["number"], first["because_of"], first["type"]) == (1, None, "PaymentRequested")
    assert (second["number"], second["event"]["meta"]["version"]) == (2, 2)
    assert (last["version"], last["events"], last["state"]["captured"]) == (2, 2, 1000)
    text = paid.run("why", PAYMENT).stdout
    assert "PaymentCaptured" in text
    assert f"{PAYMENT} at version 2 (2025-11-23T06:40:02.000000Z), by 2 events of 1 streams" in text


def test_why_says_what_is_not_there_and_what_is_broken(books):
    assert "there is no cart" in books.run("why", CART, expect=1).stderr
    assert "there is no SKU sku_NONE" in books.run("why", "sku_NONE", expect=1).stderr
    for arguments in (("why",), ("why", "pay_x"), ("why", CART, CART), ("why", "--as-of", "1", CART)):
        assert "usage: daybook why" in books.run(*arguments, expect=2).stderr
    books.begin()
    books.reopened()
    books.reopened(meta={"prev_hash": b"\1" * 32})
    books.commit()
    assert "does not carry the hash" in books.run("why", CART, expect=3).stderr
