"""Schemas change under a log that stays: programs of three releases on one installation, and consumers that keep the
schemas that they were written with.

Release 1 is the program under test. Releases 2 and 3 are built from the same sources and the schemas that evolution/evolve.py
makes of today's: in 2 four events have the field `channel`, which 3 retires again, and has `campaign`."""

import io
import json

import fastavro
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from harness import money
from harness.daybook import BINARY, Daybook
from harness.roles import installed_apart
from harness.shop import PatientClient, Shop
from harness.stack import ROOT
from harness.waiting import wait_until

PROGRAMS = {1: BINARY} | {release: ROOT / "build" / "evolved" / str(release) / "release" / "daybook" for release in (2, 3)}
RELEASES = tuple(PROGRAMS)
NEWER = "was it written by a newer release?"


def to_release(process, release):
    """The next start is that release's."""
    process.command[0] = str(PROGRAMS[release])


# ---- without servers: other people's resolution, and our readers' ----------------------------------------------------

PARCELS = ROOT / "schemas" / "codegen" / "testdata" / "evolution"


def parcel_schema(version):
    return json.loads((PARCELS / "parcels" / "ParcelPacked" / f"{version}.avsc").read_text())


@pytest.mark.parametrize("kept", RELEASES)
def test_fastavro_resolves_old_records_as_our_own_readers_do_and_new_ones_too(kept):
    """Our reader of release N refuses what is newer; a consumer's library takes what it knows of it."""
    versions = {2: 1, 5: 2, 6: 3}  # of ParcelPacked, by the ids of testdata/evolution/registry.tsv
    told = (PARCELS / f"read_by_{kept}.txt").read_text().splitlines()
    for line, ours in zip((PARCELS / "records.txt").read_text().splitlines(), told, strict=True):
        number, avro = line.split()
        if int(number) not in versions:
            continue  # ParcelLost
        written = versions[int(number)]
        read = fastavro.schemaless_reader(io.BytesIO(bytes.fromhex(avro)), parcel_schema(written), parcel_schema(kept))
        if written <= kept:
            assert {name: value for name, value in read.items() if value is not None} == json.loads(ours)
            continue
        assert NEWER in ours
        assert read["weight_grams"] == (1234567890123 if written == 2 else 5)
        assert read["name"] == ("wheel" if written == 2 else "axle")
        # What the newer one retired or calls otherwise has the default that this one kept for it.
        assert read["note" if kept == 1 else "comment"] == ""
        assert read.get("fragile") is (written == 2)


# ---- one log, three releases one after the other ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def bought(stack):
    """An installation that was upgraded twice and runs release 3, and the order that was placed under each release."""
    daybook = Daybook(stack, name="evolution")
    orders = {}
    try:
        daybook.install()
        for release in RELEASES:
            to_release(daybook.service, release)
            daybook.start()
            with daybook.client() as client:
                shop = Shop(client)
                if release == 1:
                    shop.sells("tea", 500, 10)
                shop.stock("tea", 1)
                orders[release] = shop.buy(("tea", 1))
            if release != RELEASES[-1]:
                daybook.stop()
        yield daybook, orders
    finally:
        daybook.discard()


def subject_of(daybook):
    return f"{daybook.topic('orders')}-daybook.orders.OrderPlaced"


def version_of(release):
    """Of OrderPlaced, as that release writes it: release 1 is the program of today."""
    return len(list((ROOT / "schemas" / "orders" / "OrderPlaced").glob("*.avsc"))) + release - 1


def placed(lines):
    """The order's first event, of what `replay --json` shows."""
    events = [json.loads(line) for line in lines.splitlines()]
    return next(event for event in events if "OrderPlaced" in json.dumps(event))


def test_each_release_wrote_its_own_version(bought):
    daybook, _ = bought
    registry = SchemaRegistryClient({"url": f"{daybook.url}/registry"})
    assert registry.get_versions(subject_of(daybook)) == list(range(1, version_of(RELEASES[-1]) + 1))
    ids = [registry.get_version(subject_of(daybook), version_of(release)).schema_id for release in RELEASES]
    written = [int.from_bytes(record.value()[1:5], "big") for record in daybook.kafka.records(daybook.topic("orders"))]
    assert [number for number in sorted(written) if number in ids] == ids


def test_old_and_new_bytes_are_one_history_to_the_auditor(bought):
    daybook, orders = bought
    daybook.run("verify", binary=PROGRAMS[3])
    by_2 = {release: placed(daybook.run("replay", orders[release]["id"], "--json", binary=PROGRAMS[2])) for release in (1, 2)}
    # Not filled in by our program, so it is what it wrote there; of release 1 it is what the schema says of those.
    assert '"channel":"web"' in json.dumps(by_2[1], separators=(",", ":"))
    assert '"channel":""' in json.dumps(by_2[2], separators=(",", ":"))
    by_3 = json.dumps(placed(daybook.run("replay", orders[2]["id"], "--json", binary=PROGRAMS[3])))
    assert "channel" not in by_3 and orders[2]["id"] in by_3


def test_views_follow_old_and_new_bytes(bought):
    daybook, orders = bought
    wait_until(daybook.views_have_seen_all, "the views")
    with daybook.client() as client:
        for order in orders.values():
            assert Shop(client).order(order["id"])["status"] == "confirmed"
        assert Shop(client).available("tea") == 10


def test_how_a_thing_stood_is_told_from_rows_of_every_release(bought):
    daybook, orders = bought
    with daybook.client() as client:
        for order in orders.values():
            past = client.expect(200, client.get(f"/v1/orders/{order['id']}/history", params={"as_of": 1}))
            assert "confirmed" not in json.dumps(past), past
        assert client.expect(200, client.get("/v1/stock/tea", params={"as_of": 2}))["available"] == 10


def test_rows_that_keep_an_event_as_it_was_told_are_made_anew_by_a_rebuild(bought):
    """Why a view that keeps events as JSON gets a new format with them: what release 2 wrote has a member that release 3 would
    not write. All else is equal, row for row."""
    daybook, orders = bought
    for view in ("products", "carts", "payments"):
        daybook.run("projection", "compare", view, binary=PROGRAMS[3])
    told = daybook.run("projection", "compare", "orders", expect=3, binary=PROGRAMS[3])
    assert [line for line in told.splitlines() if "differs" in line] == [
        f"order_history ({orders[2]['id']},1): differs in event"
    ], told
    for view in ("orders", "stock"):
        daybook.run("projection", "rebuild", view, "--switch", binary=PROGRAMS[3])
        daybook.run("projection", "drop", f"{view}_old", binary=PROGRAMS[3])
    wait_until(daybook.views_have_seen_all, "the views")
    daybook.compare_views(binary=PROGRAMS[3])


def test_an_export_has_a_file_of_each_version(bought, tmp_path):
    daybook, _ = bought
    daybook.run("export", tmp_path / "out", "--format", "avro", binary=PROGRAMS[3])
    files = (tmp_path / "out" / "events" / "orders" / "OrderPlaced").glob("*.avro")
    assert {path.name.split("-")[0] for path in files} == {f"v{version_of(release)}" for release in RELEASES}


@pytest.mark.parametrize("kept", RELEASES)
def test_a_consumer_that_keeps_the_schema_of_its_release_reads_all(bought, kept):
    daybook, orders = bought
    registry = SchemaRegistryClient({"url": f"{daybook.url}/registry"})
    own = registry.get_version(subject_of(daybook), version_of(kept))
    deserialize = AvroDeserializer(registry, schema_str=own.schema.schema_str)
    topic, read = daybook.topic("orders"), {}
    for record in daybook.kafka.records(topic):
        if dict(record.headers())["ce_type"].endswith(b".OrderPlaced"):
            event = deserialize(record.value(), SerializationContext(topic, MessageField.VALUE))
            read[event["meta"]["stream"]] = event
    assert set(read) == {order["id"] for order in orders.values()}
    fields = {field["name"] for field in json.loads(own.schema.schema_str)["fields"]}
    for release, order in orders.items():
        event = read[order["id"]]
        assert set(event) == fields
        assert event["total"]["amount"] == 500
        if kept == 2:
            assert event["channel"] == ("" if release == 2 else "web")
        assert event.get("campaign") is None


def test_an_older_release_names_what_it_cannot_read(bought):
    daybook, orders = bought
    assert NEWER in daybook.refusal("replay", orders[3]["id"], code=3)
    assert NEWER in daybook.run("verify", expect=3)


# ---- releases side by side -------------------------------------------------------------------------------------------


def test_an_older_handler_does_not_decide_on_what_it_cannot_read(new_daybook):
    daybook = new_daybook()
    with daybook.client() as client:
        Shop(client).sells("tea", 500, 10)
    daybook.stop()
    to_release(daybook.service, 2)
    daybook.start()
    with daybook.client() as client:
        bought = Shop(client).buy(("tea", 1))
    daybook.stop()

    # Back again, with what the newer release wrote in the log.
    to_release(daybook.service, 1)
    daybook.settings["data_dir"] = daybook.directory / "elsewhere"
    daybook.service.environment = daybook.environment()
    daybook.service.start()

    def stopped():
        with daybook.client() as client:
            return client.get("/health/ready").json().get("stopped_shards")

    whys = [shard["why"] for shard in wait_until(stopped, "a stopped shard")]
    assert all(NEWER in why for why in whys), whys
    daybook.stop()

    to_release(daybook.service, 2)
    daybook.start()
    with PatientClient(daybook.url) as client:
        assert Shop(client).order(bought["id"])["status"] == "confirmed"
        assert Shop(client).buy(("tea", 1))["status"] == "confirmed"
    daybook.run("verify", binary=PROGRAMS[2])


def metric(process, name):
    return sum(float(line.split()[1]) for line in process.get("/metrics").text.splitlines() if line.startswith(f"{name} "))


def test_older_views_and_connectors_stand_at_a_newer_event_and_miss_nothing(stack):
    with installed_apart(stack, "apart") as roles:
        daybook = roles.daybook
        roles.start()
        with daybook.client() as client:
            Shop(client).sells("tea", 500, 10)
        for name in ("gateway", "handler"):
            assert roles[name].stop() == 0
            to_release(roles[name], 2)
        roles.start("gateway", "handler")
        with PatientClient(daybook.url) as client:
            cart = Shop(client).cart(("tea", 1))["id"]
            payment = f"pay_{cart.removeprefix('cart_')}.1.1"
        with daybook.client() as client:  # 202: nobody charges yet
            Shop(client).check_out_without_waiting(cart, "approve")

        # The connector knows neither what is asked for nor what may end it: it leaves it, and says so.
        wait_until(lambda: metric(roles["connector"], "daybook_connector_shards_stopped") == 1, "the connector's stop", 60)
        assert NEWER in roles["connector"].log()
        parked = wait_until(lambda: daybook.run("projection", "parked", "orders"), "what the view set aside")
        assert NEWER in parked
        assert payment not in money.books(daybook.provider_url)
        # An older one that starts anew stands at the same place.
        assert roles["connector"].stop() == 0
        roles.start("connector")
        wait_until(lambda: metric(roles["connector"], "daybook_connector_shards_stopped") == 1, "the same stop again", 60)
        assert payment not in money.books(daybook.provider_url)

        for name in ("projector", "connector"):
            assert roles[name].stop() == 0
            to_release(roles[name], 2)
        roles.start("projector", "connector")
        for view in ("orders", "carts", "payments", "sales"):
            daybook.run("projection", "retry", view, "--all", binary=PROGRAMS[2])
        order = f"ord_{cart.removeprefix('cart_')}.1"
        with PatientClient(daybook.url) as client:
            wait_until(lambda: client.get(f"/v1/orders/{order}").json().get("status") == "confirmed", "the order", 60)
        assert payment in money.books(daybook.provider_url)
        with PatientClient(daybook.url) as client:  # and all goes on; a view sees with its next event that nothing is parked
            cart = Shop(client).cart(("tea", 1))["id"]
        with daybook.client() as client:
            Shop(client).check_out_without_waiting(cart, "approve")
            order = f"ord_{cart.removeprefix('cart_')}.1"
            wait_until(lambda: client.get(f"/v1/orders/{order}").json().get("status") == "confirmed", "one more order", 60)
        wait_until(daybook.views_have_seen_all, "the views", 60)
        daybook.run("verify", binary=PROGRAMS[2])
