"""Other people's clients read what Daybook writes: the log is a public contract."""

import io
import json
import re
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fastavro
import httpx
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext
from harness import money
from harness.daybook import Daybook
from harness.processes import Process
from harness.shop import Shop, euros
from harness.stack import ROOT
from harness.waiting import Overdue, wait_until
from harness.webhooks import tell

SCHEMAS = ROOT / "schemas"
CLIENTS = ROOT / "build" / "clients"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAMILIES = ("catalog", "stock", "carts", "orders", "payments")


def java(name):
    """The command that begins a Java program of clients/java: small and quick to start, as it does not run for long."""
    classpath = f"{CLIENTS / 'java' / 'classes'}:{CLIENTS / 'java' / 'lib'}/*"
    return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classpath, name]


def event_names():
    """Every event there is: what is not a command, a state or a message."""
    for path in sorted(SCHEMAS.glob("*/*/1.avsc")):
        schema = json.loads(path.read_text())
        # What becomes of a mail is told where there is a server for mails: test_order_mails.py.
        if schema["namespace"].removeprefix("daybook.") in FAMILIES and schema["name"] != "OrderMailed":
            yield schema["name"]


@pytest.fixture(scope="module")
def daybook(stack):
    installation = Daybook(stack, name="clients", provider_arguments=("--late-ms", "500"), provider_timeout_ms=2000)
    try:
        yield installation.install().start()
    finally:
        installation.discard()


def ways_of_paying(daybook, shop):
    """Each way that a payment can go: a refund in part, a capture, a shopper's step, voids, a late success."""
    client = shop.client

    def begin(method):
        """An order that is not paid yet, and its payment."""
        cart = shop.cart(("A", 1))["id"].removeprefix("cart_")
        body = {"payment": {"provider": "test", "method": method}}
        client.post(f"/v1/carts/cart_{cart}/checkout", body, headers={"Prefer": "respond-async"})
        payment = f"pay_{cart}.1.1"
        wait_until(lambda: money.books(daybook.provider_url).get(payment), "the provider's book")
        return f"ord_{cart}.1", payment

    def becomes(payment, status):
        path = f"/v1/payments/{payment}"
        return wait_until(lambda: (found := client.get(path).json()).get("status") == status and found, f"{payment} {status}")

    bought = shop.buy(("A", 2))["payments"][0]["id"]
    client.expect(200, client.post(f"/v1/payments/{bought}/refunds", {"amount": euros(100), "reason": "broken"}))

    _, stepped = begin("action")
    tell(client, stepped, "charge", "captured", 101)  # more than was asked for: it is written down, and no more
    assert httpx.post(becomes(stepped, "action_required")["action_url"]).status_code == 200
    becomes(stepped, "captured")

    _, voided = begin("action")
    becomes(voided, "action_required")
    client.expect(200, client.post(f"/v1/payments/{voided}/void", {"reason": "no"}))
    becomes(voided, "voided")

    _, charged = begin("hang")  # the provider has charged already, so it refuses
    client.expect(200, client.post(f"/v1/payments/{charged}/void", {}))
    becomes(charged, "captured")

    late, payment = begin("late_success")
    becomes(payment, "failed")
    client.expect(200, client.post(f"/v1/orders/{late}/cancel", {"reason": "too slow"}))
    becomes(payment, "captured")

    contested = shop.buy(("A", 1))
    payment = contested["payments"][0]["id"]
    tell(client, payment, "charge", "disputed", 100, reference="dp_1")
    client.expect(200, client.post(f"/v1/orders/{contested['id']}/cancel", {"reason": "no"}))
    tell(client, payment, "charge", "dispute_won", 100, reference="dp_1")

    _, held = begin("action")  # a provider that will not void, and then only authorizes: played here
    becomes(held, "action_required")
    daybook.provider.stop()
    client.expect(200, client.post(f"/v1/payments/{held}/void", {}))
    tell(client, held, "void", "void_refused", 100)
    tell(client, held, "charge", "authorized", 100)
    tell(client, held, "capture.1", "captured", 100)
    daybook.start_provider()


@pytest.fixture(scope="module")
def busy_daybook(daybook):
    """An installation that has seen every kind of event."""
    with daybook.client() as client:
        shop = Shop(client)
        product = shop.product(("A", 100), ("B", 250))
        client.expect(200, client.patch(f"/v1/products/{product}", {"title": "Renamed"}))
        client.expect(201, client.post(f"/v1/products/{product}/variants", {"sku": "C", "price": {"amount": 1, "currency": "EUR"}}))
        client.expect(200, client.patch(f"/v1/products/{product}/variants/C", {"title": "Small"}))
        client.expect(200, client.delete(f"/v1/products/{product}/variants/C"))
        taken = client.post("/v1/products", {"title": "Thief", "variants": [{"sku": "A", "price": {"amount": 1, "currency": "EUR"}}]})
        assert taken.status_code == 409, taken.text
        client.expect(200, client.post(f"/v1/products/{shop.product(('D', 5))}/archive"))
        shop.stock("A", 100)
        shop.stock("B", 1)
        client.expect(200, client.post("/v1/stock/A/adjustments", {"location": "main", "delta": -1, "reason": "broken"}))
        client.expect(200, client.post("/v1/stock/A/transfers", {"from": "main", "to": "shop", "quantity": 10}))
        shop.buy(("A", 1))
        cart = shop.cart(("A", 1), reference="a reference")["id"]
        client.expect(200, client.put(f"/v1/carts/{cart}/lines/B", {"quantity": 5}))
        assert shop.check_out(cart, email="shopper@example.com").status_code == 409
        order = shop.check_out(shop.cart(("A", 1))["id"], "decline").json()["order"]
        client.expect(200, client.post(f"/v1/orders/{order}/cancel", {"reason": "no"}))
        for method in ("authorize", "refund_fails"):
            bought = shop.buy(("A", 1), method=method)
            client.expect(200, client.post(f"/v1/orders/{bought['id']}/cancel", {"reason": "no"}))
        ways_of_paying(daybook, shop)
        told = client.expect(201, shop.check_out(shop.cart(("A", 1))["id"], email="shopper@example.com"))
        client.expect(200, client.post(f"/v1/orders/{told['id']}/confirmation", {}))
        # What the README asks about.
        shop.sells("tea-earl-grey-100g", 790, 10)
        shop.buy(("tea-earl-grey-100g", 2))
        begun = shop.check_out(shop.cart(("A", 1))["id"], "action")
        assert begun.json()["status"] == "awaiting_payment"
        last = begun.headers["Daybook-Position"]
        for view in ("orders", "stock/A", f"payments/{begun.json()['payments'][0]['id']}"):
            client.expect(200, client.get(f"/v1/{view}", headers={"Daybook-Position": last}))
    return daybook


def topics_of(daybook):
    return [daybook.topic(family) for family in FAMILIES]


def read_by_confluent(daybook):
    """Every event that stands in the log now, by its place there, as clients/README.md has it."""
    registry = SchemaRegistryClient({"url": f"{daybook.url}/registry"})
    deserialize = AvroDeserializer(registry)
    told = {}
    for topic in topics_of(daybook):
        for record in daybook.kafka.records(topic):
            event = deserialize(record.value(), SerializationContext(topic, MessageField.VALUE))
            headers = {name: value.decode() for name, value in record.headers()}
            assert event["meta"]["stream"] == headers["ce_subject"]
            assert event["meta"]["event_id"] == headers["ce_id"]
            told[topic, record.partition(), record.offset()] = {
                "key": record.key().decode(),
                "type": headers["ce_type"].rpartition(".")[2],
                "event": as_golden_json(event),
            }
    return told


def types_of(told):
    return {event["type"] for event in told.values()}


@pytest.fixture(scope="module")
def every_event(busy_daybook):
    """What Confluent's client reads, once there is an event of every kind: refunds come a moment after their cause."""
    told = {}

    def all_seen():
        told.update(read_by_confluent(busy_daybook))
        return set(event_names()) <= types_of(told)

    try:
        wait_until(all_seen, "every kind of event")
    except Overdue:
        raise AssertionError(f"never seen: {set(event_names()) - types_of(told)}") from None
    return told


def test_confluents_deserializer_reads_every_event_through_our_registry(every_event):
    assert set(event_names()) == types_of(every_event)


FOREIGN = {
    "franz-go and hamba": [CLIENTS / "go" / "consumer"],
    "kafka-clients and avro": java("clients.Consumer"),
}


@pytest.mark.parametrize("command", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_client_reads_the_same(busy_daybook, every_event, command):
    arguments = [busy_daybook.kafka.brokers, f"{busy_daybook.url}/registry", *topics_of(busy_daybook)]
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=90)
    assert ended.returncode == 0, ended.stderr
    told = {}
    for line in ended.stdout.splitlines():
        event = json.loads(line)
        told[event.pop("topic"), event.pop("partition"), event.pop("offset")] = event
    assert set(event_names()) <= types_of(told)
    later = read_by_confluent(busy_daybook)
    assert every_event.keys() <= told.keys() <= later.keys()
    for place, event in told.items():
        assert event == later[place], place


def test_a_kafka_streams_program_counts_the_orders_of_each_minute(busy_daybook, every_event):
    counted = busy_daybook.topic("orders-per-minute")
    busy_daybook.kafka.create_topic(counted)
    program = Process(
        "OrdersPerMinute",
        [
            *java("clients.OrdersPerMinute"),
            busy_daybook.kafka.brokers,
            f"{busy_daybook.url}/registry",
            busy_daybook.topic("orders"),
            counted,
            busy_daybook.directory / "streams",
        ],
        busy_daybook.directory / "streams.log",
    ).start()
    try:

        def minutes():
            """The last count of each minute is the one that holds."""
            records = busy_daybook.kafka.records(counted)
            return {record.key().decode(): int(record.value()) for record in records}

        with busy_daybook.client() as client:
            before = orders_per_minute(every_event)
            wait_until(lambda: not program.is_running() or minutes() == before, "the counts", 60)
            assert program.is_running(), program.log_end()
            # It goes on with what comes.
            Shop(client).buy(("A", 1))
            after = orders_per_minute(read_by_confluent(busy_daybook))
            assert sum(after.values()) == sum(before.values()) + 1
            wait_until(lambda: minutes() == after, "the count of one order more", 30)
    finally:
        program.stop()


def orders_per_minute(told):
    placed = [event["event"]["meta"]["occurred_at"] for event in told.values() if event["type"] == "OrderPlaced"]
    minutes = Counter((EPOCH + timedelta(microseconds=time)).replace(second=0, microsecond=0) for time in placed)
    return {minute.strftime("%Y-%m-%dT%H:%M:%SZ"): count for minute, count in minutes.items()}


def test_the_registry_lists_what_the_schemas_folder_holds(busy_daybook):
    with busy_daybook.client() as client:
        subjects = client.expect(200, client.get("/registry/subjects"))
        assert len(subjects) == len({path.parent for path in SCHEMAS.glob("*/*/*.avsc") if "codegen" not in path.parts})
        versions = client.expect(200, client.get(f"/registry/subjects/{subjects[0]}/versions"))
        assert versions == list(range(1, len(list(SCHEMAS.glob(f"*/{subjects[0].rsplit('.', 1)[1]}/*.avsc"))) + 1))


def test_confluents_client_is_told_what_the_registry_has_not(busy_daybook):
    registry = SchemaRegistryClient({"url": f"{busy_daybook.url}/registry"})
    subject = registry.get_subjects()[0]
    for ask, code in (
        (lambda: registry.get_schema(999999), 40403),
        (lambda: registry.get_versions("no.such.Subject"), 40401),
        (lambda: registry.get_latest_version("no.such.Subject"), 40401),
        (lambda: registry.get_version("no.such.Subject", 1), 40401),
        (lambda: registry.get_version(subject, 99), 40402),
    ):
        with pytest.raises(SchemaRegistryError) as told:
            ask()
        assert (told.value.http_status_code, told.value.error_code) == (404, code)
    # What that client would not ask.
    with busy_daybook.client() as client:
        for version in ("0", "-2", "none", "1.0", "01", "99999999999999999999"):
            answer = client.http.get(f"/registry/subjects/{subject}/versions/{version}")
            assert (answer.status_code, answer.json()["error_code"]) == (422, 42202), version
        for schema in ("0", "-1", "none", "1.0", "99999999999999999999"):
            answer = client.http.get(f"/registry/schemas/ids/{schema}")
            assert (answer.status_code, answer.json()["error_code"]) == (404, 40403), schema


def as_golden_json(value):
    """As the golden files write it: times as microseconds, bytes as hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    if isinstance(value, dict):
        return {name: as_golden_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_golden_json(item) for item in value]
    return value


@pytest.mark.parametrize("path", sorted((SCHEMAS / "golden").glob("*/*.hex")), ids=lambda path: path.stem)
def test_fastavro_decodes_the_golden_bytes(path: Path):
    name, version = path.stem.rsplit(".", 1)
    schema = fastavro.parse_schema(json.loads((SCHEMAS / path.parent.name / name / f"{version}.avsc").read_text()))
    records = path.read_text().split()
    expected = json.loads(path.with_suffix(".json").read_text())
    assert len(records) == len(expected)
    for record, value in zip(records, expected):
        data = io.BytesIO(bytes.fromhex(record))
        decoded = fastavro.schemaless_reader(data, schema)
        assert data.read() == b"", "bytes are left over"
        assert as_golden_json(decoded) == value
        again = io.BytesIO()
        fastavro.schemaless_writer(again, schema, decoded)
        assert again.getvalue().hex() == record


def test_kcat_shows_keys_and_cloudevents_headers(busy_daybook):
    shown = subprocess.run(
        ["kcat", "-b", busy_daybook.kafka.brokers, "-t", busy_daybook.topic("orders"), "-C", "-e", "-q", "-f", "%k %h\n"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert shown
    for line in shown:
        key, headers = line.split(" ", 1)
        assert len(key) == 26
        assert "ce_specversion=1.0" in headers
        assert f"ce_subject=ord_{key}." in headers


def test_personal_data_is_in_no_topic(busy_daybook):
    for topic in busy_daybook.kafka.topics(busy_daybook.topic("")):
        for record in busy_daybook.kafka.records(topic, isolation="read_uncommitted"):
            assert b"shopper@example.com" not in (record.value() or b"")


def readme_questions():
    return re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("question", readme_questions(), ids=range(len(readme_questions())))
def test_psql_answers_the_readmes_questions(busy_daybook, question):
    psql = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", busy_daybook.sql.connection_string, "-c", question]
    answered = subprocess.run(psql, capture_output=True, text=True, timeout=60)
    assert answered.returncode == 0, answered.stderr
    (rows,) = re.findall(r"^\((\d+) rows?\)$", answered.stdout, re.MULTILINE)
    assert int(rows) >= 1, f"nobody learns anything from an empty answer:\n{question}{answered.stdout}"
