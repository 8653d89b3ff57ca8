"""/asyncapi.json says of the event streams what is so: topics, keys, headers and schemas of records that happened."""

import json

import pytest
from harness.shop import Shop
from harness.validators import complaints
from harness.waiting import wait_until


@pytest.fixture
def document(client):
    return client.expect(200, client.http.get("/asyncapi.json"))


def resolved(document, reference):
    assert set(reference) == {"$ref"}
    at = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        at = at[part]
    return resolved(document, at) if "$ref" in at else at


def test_asyncapis_own_parser_has_nothing_against_the_document_and_has_against_a_harmed_one(client, document):
    assert complaints("asyncapi", client.http.get("/asyncapi.json").text) == []
    del document["components"]["messages"]["OrderPlaced"]["payload"]["schema"]["fields"]
    assert any("/OrderPlaced/payload/schema" in complaint for complaint in complaints("asyncapi", json.dumps(document)))


def test_every_event_of_the_registry_is_told_in_the_channel_of_its_topic(daybook, client, document):
    told = set()
    for family, channel in document["channels"].items():
        topic = channel["address"]
        assert topic == f"{daybook.name}.{family}"
        assert channel["bindings"]["kafka"]["partitions"] == len(daybook.kafka.end_offsets(topic))
        for name, reference in channel["messages"].items():
            message = resolved(document, reference)
            assert message["name"] == name and message["summary"]
            told.add(message["x-subject"])
            version = client.expect(200, client.http.get(f"/registry/subjects/{message['x-subject']}/versions/latest"))
            assert (version["id"], version["version"]) == (message["x-schema-id"], message["x-version"])
            assert json.loads(version["schema"]) == message["payload"]["schema"]
    subjects = client.expect(200, client.http.get("/registry/subjects"))
    topics = {channel["address"] for channel in document["channels"].values()}
    assert {subject for subject in subjects if subject.partition("-")[0] in topics} == told
    assert set(document["components"]["messages"]) == {subject.rpartition(".")[2] for subject in told}
    for operation in document["operations"].values():
        channel = resolved(document, operation["channel"])
        assert [resolved(document, message)["name"] for message in operation["messages"]] == list(channel["messages"])


def test_what_happens_is_as_it_is_told(daybook, client, document):
    shop = Shop(client)
    shop.sells("TEA", 500, 10)
    for _ in range(5):
        shop.buy(("TEA", 1))
    wait_until(daybook.views_have_seen_all, "the views", 60)
    headers = document["components"]["messageTraits"]["event"]["headers"]["properties"]
    seen, places = set(), {}
    for channel in document["channels"].values():
        by_type = {message["x-ce-type"]: message for message in (resolved(document, ref) for ref in channel["messages"].values())}
        for record in daybook.kafka.each_record(channel["address"]):
            told = {name: value.decode() for name, value in record.headers()}
            assert set(told) <= set(headers)
            message = by_type[told["ce_type"]]
            schema_id = int.from_bytes(record.value()[1:5], "big")
            assert record.value()[0] == 0 and schema_id == message["x-schema-id"]
            assert told["content-type"] == message["contentType"]
            key = told["ce_subject"].split("_", 1)[1]
            assert record.key().decode() == (key if told["ce_subject"].startswith("sku_") else key.partition(".")[0])
            # Of a purchase's streams in whatever topic: one key, one partition.
            assert places.setdefault(record.key(), record.partition()) == record.partition()
            seen.add(message["name"])
    assert len(set(places.values())) > 1
    assert {"ProductPublished", "StockReceived", "CartCheckedOut", "OrderConfirmed", "PaymentCaptured"} <= seen


def test_sealed_fields_are_named(document):
    sealed = {name: message["x-personal-data"]["sealed"] for name, message in document["components"]["messages"].items()}
    assert sealed["OrderPlaced"] and sealed["CartCheckedOut"] and sealed["StockReceived"] == []
