"""Other people's clients read what Daybook writes: the log is a public contract."""

import io
import json
import re
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import fastavro
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from harness.shop import Shop
from harness.stack import ROOT
from harness.waiting import wait_until

SCHEMAS = ROOT / "schemas"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FAMILIES = ("catalog", "stock", "carts", "orders", "payments")


def event_names():
    """Every event there is: what is not a command, a state or a message."""
    for path in sorted(SCHEMAS.glob("*/*/1.avsc")):
        schema = json.loads(path.read_text())
        if schema["namespace"].removeprefix("daybook.") in FAMILIES:
            yield schema["name"]


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
    return daybook


def test_confluents_deserializer_reads_every_event_through_our_registry(busy_daybook):
    registry = SchemaRegistryClient({"url": f"{busy_daybook.url}/registry"})
    deserialize = AvroDeserializer(registry)
    seen = set()

    def all_settled():
        for family in FAMILIES:
            topic = busy_daybook.topic(family)
            for record in busy_daybook.kafka.records(topic):
                event = deserialize(record.value(), SerializationContext(topic, MessageField.VALUE))
                headers = {name: value.decode() for name, value in record.headers()}
                assert event["meta"]["stream"] == headers["ce_subject"]
                assert event["meta"]["event_id"] == headers["ce_id"]
                seen.add(headers["ce_type"].rpartition(".")[2])
        return {"PaymentRefunded", "RefundFailed", "ReservationReleased"} <= seen

    wait_until(all_settled, "the last refund")
    # What these need is told where it is tested: a void is asked for only while a charge is under way, a late success
    # returns money, a provider's step and a lost race for a SKU are other stories.
    elsewhere = {
        "OrderPaymentReturned", "PaymentActionRequired", "PaymentVoidRequested", "PaymentVoided", "PaymentVoidRefused",
        "PaymentOutcomeRefused",
    }  # fmt: skip
    assert set(event_names()) - seen <= elsewhere


def test_the_registry_lists_what_the_schemas_folder_holds(busy_daybook):
    with busy_daybook.client() as client:
        subjects = client.expect(200, client.get("/registry/subjects"))
        assert len(subjects) == len({path.parent for path in SCHEMAS.glob("*/*/*.avsc") if "codegen" not in path.parts})
        versions = client.expect(200, client.get(f"/registry/subjects/{subjects[0]}/versions"))
        assert versions == [1]
        missing = client.get("/registry/schemas/ids/999999")
        assert missing.status_code == 404
        assert missing.json()["error_code"] == 40403


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
    assert " rows)" in answered.stdout or "(1 row)" in answered.stdout
