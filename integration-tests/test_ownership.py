"""Whose things are, as far as it can be asked without a login: what a closed front shows to everybody, and what became of
commands that a front would send for customers and vendors: they are written into the log here."""

import ast
import json
import re
import subprocess

import psycopg
import pytest
from confluent_kafka import Producer
from harness.daybook import Daybook
from harness.event_stream import EventStream
from harness.events import shard_key
from harness.schemas import decode, encode
from harness.shop import Shop
from harness.stack import ROOT
from harness.waiting import wait_until

ANN, BEA = f"cus_{1:026d}", f"cus_{2:026d}"
HERS = f"{10:026d}"  # what Ann's purchase begins with
LEAF, KILN = f"vendor:{BEA}:Leaf", f"vendor:{ANN}:Kiln"


class Commands:
    """What fronts send, written into the log; and what became of it."""

    def __init__(self, daybook):
        self.daybook = daybook
        self.sent = 0
        self.producer = Producer({"bootstrap.servers": daybook.stack.brokers, "partitioner": "murmur2", "log_level": 2})

    def send(self, name, stream, actor, expected_version=None, **fields):
        """The refusal's code, empty when it was accepted."""
        self.sent += 1
        command_id = f"cmd_{self.sent:026d}"
        meta = {
            "command_id": command_id,
            "stream": stream,
            "correlation_id": command_id,
            "causation_id": command_id,
            "actor": actor,
            "issued_at": self.daybook.sql.value("SELECT (extract(epoch FROM now()) * 1000000)::bigint"),
            "client_key": True,
            "request_hash": command_id.encode(),
            "expected_version": expected_version,
            "reply_partition": -1,
            "reply_instance": "",
        }
        self.producer.produce(self.daybook.topic("commands"), encode(name, {"meta": meta} | fields), shard_key(stream).encode())
        assert self.producer.flush(60) == 0
        return wait_until(lambda: self.outcome(command_id), f"the outcome of {name}")["rejection"]

    def outcome(self, command_id):
        records = self.daybook.kafka.records(self.daybook.topic("outcomes"))
        told = (decode(record.value())[1] for record in records if record.value())
        ends = (outcome for outcome in told if outcome["status"] != "pending")
        return next((outcome for outcome in ends if outcome["command_id"] == command_id), None)


def euros(amount):
    return {"amount": amount, "currency": "EUR"}


def fact(product):
    return {"sku": "tea", "product": product, "title": "Tea", "price": euros(500)}


@pytest.fixture(scope="module")
def shops(stack):
    """An installation where everything happened while its front was open, and a way to close it."""
    daybook = Daybook(stack, name="ownership", access="open")
    try:
        daybook.install().start()
        with daybook.client() as client:
            shop = Shop(client)
            tea = client.expect(201, client.post("/v1/products", product("tea", "Leaf")))["id"]
            client.expect(200, client.post(f"/v1/products/{tea}/publish"))
            pot = client.expect(201, client.post("/v1/products", product("pot", "Kiln")))["id"]
            client.expect(200, client.post(f"/v1/products/{pot}/publish"))
            draft = client.expect(201, client.post("/v1/products", product("secret", "Leaf", barcode="4006381333931")))["id"]
            client.expect(201, client.post("/v1/products", product("also", "Kiln", barcode="4006381333931")))
            for sku in ("tea", "pot", "secret"):
                shop.stock(sku, 10)
            mixed = shop.buy(("tea", 2), ("pot", 1))["id"]
            cart = shop.cart(("tea", 1))
            guests = client.expect(201, shop.check_out(cart["id"]))["id"]
        ids = {"tea": tea, "pot": pot, "draft": draft, "mixed": mixed, "guests": guests, "token": cart["token"]}
        yield daybook, ids
    finally:
        daybook.discard()


def product(sku, vendor, **more):
    return {"title": sku.title(), "vendor": vendor, "variants": [{"sku": sku, "price": euros(500), **more}]}


@pytest.fixture(scope="module")
def hers(shops):
    """An order that Ann placed, the cart that it came of, and who may send more commands."""
    daybook, ids = shops
    commands = Commands(daybook)
    lines = [{"sku": "tea", "quantity": 1}]
    cart, customer = f"cart_{HERS}", {"customer": ANN}
    facts = {"price_facts": [fact(ids["tea"])]}
    opened = {"currency": "EUR", "lines": lines, "reference": "R-ANN"} | facts
    assert commands.send("OpenCart", cart, f"customer:{ANN}", **opened, **customer) == ""
    payment = {"provider": "test", "method": "decline"}
    paid = {"payment": payment, "expected_total": None, "email": None} | facts
    assert commands.send("CheckOutCart", cart, f"customer:{ANN}", **paid, **customer) == "payment_declined"
    order = f"ord_{HERS}.1"
    wait_until(lambda: daybook.sql.rows("SELECT FROM orders.orders WHERE id = %s AND status = 'awaiting_payment'", (order,)), "it")
    return commands, cart, order


# ---- decided where the things are ------------------------------------------------------------------------------------


def test_documents_views_and_events_say_whose_a_purchase_is(shops, hers):
    daybook, _ = shops
    _, cart, order = hers
    with daybook.client() as client:
        for path in (f"/v1/carts/{cart}", f"/v1/orders/{order}"):
            assert client.expect(200, client.get(path))["customer"] == ANN
        history = client.expect(200, client.get(f"/v1/orders/{order}/history"))["items"]
        assert history[0]["event"]["customer"] == ANN
        # What followed is in her name as well.
        assert {event["actor"] for event in history} <= {f"customer:{ANN}", "provider:test"}
        found = client.expect(200, client.get(f"/v1/orders?customer={ANN}"))["items"]
        assert [found_order["id"] for found_order in found] == [order]
        assert client.expect(200, client.get(f"/v1/orders?customer={BEA}"))["items"] == []
    for table, thing in (("carts", cart), ("orders", order)):
        assert daybook.sql.value(f"SELECT customer FROM {table}.{table} WHERE id = %s", (thing,)) == ANN


def test_others_are_told_that_it_is_not_there_and_change_nothing(shops, hers):
    daybook, _ = shops
    commands, cart, order = hers
    before = len(daybook.kafka.records(daybook.topic("orders")))
    for actor in (f"customer:{BEA}", "anonymous", "guest:h4sh", f"guest:h4sh:{BEA}", LEAF, "somebody"):
        assert commands.send("CancelOrder", order, actor, reason="malice") == "unknown_order"
        assert commands.send("ResendConfirmation", order, actor) == "unknown_order"
        retry = {"provider": "test", "method": "approve"}
        assert commands.send("RetryOrderPayment", order, actor, **retry) == "unknown_order"
        line = {"sku": "tea", "quantity": 9, "price_facts": []}
        assert commands.send("SetCartLine", cart, actor, **line) == "unknown_cart"
        # Whichever version he expects, as of a cart that does not exist.
        versions = [commands.send("SetCartLine", cart, actor, expected_version=version, **line) for version in (1, 2, 3)]
        assert versions == ["version_mismatch"] * 3
    assert len(daybook.kafka.records(daybook.topic("orders"))) == before


def test_she_and_the_house_go_on(shops, hers):
    daybook, _ = shops
    commands, _, order = hers
    assert commands.send("RetryOrderPayment", order, f"customer:{ANN}", provider="test", method="decline") == "payment_declined"
    assert commands.send("CancelOrder", order, "support:key_1", reason="she called") == ""
    wait_until(lambda: daybook.sql.value("SELECT status FROM orders.orders WHERE id = %s", (order,)) == "cancelled", "it")
    daybook.run("verify")


def test_a_vendor_touches_goods_of_his_own_name(shops):
    daybook, ids = shops
    commands = Commands(daybook)
    commands.sent = 1000
    assert commands.send("PublishProduct", ids["tea"], KILN) == "unknown_product"
    assert commands.send("PublishProduct", ids["tea"], LEAF) == ""
    nothing = {name: None for name in ("title", "description", "categories", "tags", "attributes", "images")}
    assert commands.send("ChangeProduct", ids["tea"], LEAF, vendor="Kiln", **nothing) == "forbidden_vendor"
    with daybook.client() as client:
        assert client.expect(200, client.get(f"/v1/products/{ids['tea']}"))["vendor"] == "Leaf"


def movements(daybook, sku, vendor):
    rows = rows_of(daybook, "projections/stock/query.c", "stock_movements_of_vendor", sku, "10", None, vendor)
    return [json.loads(document) if isinstance(document, str) else document for document, _ in rows]


def test_a_sku_takes_neither_goods_nor_past_along_to_another_vendor(shops):
    daybook, ids = shops
    commands = Commands(daybook)
    commands.sent = 2000
    none = {name: None for name in ("barcode", "title", "weight_g", "tax_class")}
    loose = {"sku": "loose", "price": euros(500), "attributes": [], **none}
    with daybook.client() as client:
        shop = Shop(client)
        both = client.expect(201, client.post("/v1/products", product("kept", "Leaf")))["id"]
        assert commands.send("AddVariant", both, LEAF, **loose) == ""
        shop.stock("loose", 5)
        client.expect(200, client.delete(f"/v1/products/{both}/variants/loose"))
        assert commands.send("AddVariant", ids["pot"], KILN, **loose) == "sku_taken"
        count = {"location": "main", "delta": -5, "reason": "sold up"}
        client.expect(200, client.post("/v1/stock/loose/adjustments", count))
        assert commands.send("AddVariant", ids["pot"], KILN, **loose) == ""
        shop.stock("loose", 7)
        seen = wait_until(lambda: movements(daybook, "loose", "Kiln"), "the ledger since it is Kiln's")
        assert [movement["on_hand_delta"] for movement in seen] == [7]
        assert {"actor", "owner", "command_id", "causation_id"}.isdisjoint(seen[0])
        assert movements(daybook, "loose", "Leaf") == []
        version = client.expect(200, client.get("/v1/stock/loose"))["version"]
    at = "SELECT occurred_at::text FROM stock.history WHERE stream = 'sku_loose' AND version = %s"
    for vendor, as_of, is_there in (("Kiln", version, True), ("Kiln", 2, False), ("Leaf", version, False)):
        for name, value in (("version", str(as_of)), ("time", daybook.sql.value(at, (as_of,)))):
            rows = rows_of(daybook, "projections/stock/query.c", f"stock_of_vendor_at_{name}", "sku_loose", value, vendor)
            assert (rows != []) == is_there
    assert len(rows_of(daybook, "projections/stock/query.c", "stock_of_vendor_began", "sku_loose", "Kiln")) == 1
    assert rows_of(daybook, "projections/stock/query.c", "stock_of_vendor_began", "sku_loose", "Leaf") == []


# ---- what a closed front shows ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def closed(shops, hers):
    daybook, ids = shops
    daybook.stop()
    daybook.settings["access"] = "closed"
    daybook.service.environment = daybook.environment()
    return daybook.start(), ids


def code_of(client, path):
    answer = client.get(path)
    assert {"etag", "daybook-position", "location"}.isdisjoint(answer.headers)
    return answer.status_code, answer.json()["code"]


def test_what_is_not_published_is_not_there(closed):
    daybook, ids = closed
    with daybook.client() as client:
        assert code_of(client, f"/v1/products/{ids['draft']}") == (404, "unknown_product")
        assert code_of(client, "/v1/variants/secret") == (404, "unknown_sku")
        assert code_of(client, "/v1/barcodes/4006381333931") == (404, "unknown_barcode")
        assert code_of(client, f"/v1/products/{ids['draft']}") == (404, "unknown_product")  # from memory
        for _ in range(2):  # from the database, and from memory
            assert code_of(client, "/v1/stock/secret") == (404, "unknown_sku")
        assert code_of(client, "/v1/stock/secret/stream") == (404, "unknown_sku")
        shown = client.get(f"/v1/products/{ids['tea']}")
        assert client.expect(200, shown)["vendor"] == "Leaf"
        assert shown.headers["Cache-Control"] == "no-store"
        assert client.get(f"/v1/products/{ids['tea']}", headers={"If-None-Match": shown.headers["ETag"]}).status_code == 304
        assert client.get("/v1/variants/tea").status_code == 200


@pytest.mark.parametrize("path", ["/v1/products/{tea}?as_of=1", "/v1/products/{draft}?as_of=1", "/v1/stock/tea?as_of=1"])
def test_how_things_stood_asks_who_one_is(closed, path):
    daybook, ids = closed
    with daybook.client() as client:
        assert code_of(client, path.format(**ids)) == (401, "unauthenticated")


def test_the_public_is_told_how_much_there_is_and_not_where(closed):
    daybook, _ = closed
    with daybook.client() as client:
        stock = client.expect(200, client.get("/v1/stock/tea"))
        assert set(stock) == {"sku", "available", "version"}
        assert client.expect(200, client.get("/v1/stock/tea")) == stock  # from memory
    with EventStream(daybook.url, "/v1/stock/tea/stream") as stream:
        assert stream.next().json() == stock


def test_a_customers_purchase_is_nobodys_who_is_not_known(closed, hers):
    daybook, _ = closed
    _, cart, order = hers
    with daybook.client() as client:
        assert code_of(client, f"/v1/carts/{cart}") == (404, "unknown_cart")
        assert code_of(client, f"/v1/orders/{order}") == (404, "unknown_order")
        assert code_of(client, f"/v1/orders/{order}/history") == (404, "unknown_order")
        assert code_of(client, f"/v1/orders/{order}/stream") == (404, "unknown_order")


def test_a_guest_is_not_told_who_of_the_house_helped_him(closed, hers):
    daybook, ids = closed
    commands, _, _ = hers
    assert commands.send("CancelOrder", ids["guests"], f"support:{BEA}", reason="he called") == ""
    status = "SELECT status FROM orders.orders WHERE id = %s"
    wait_until(lambda: daybook.sql.value(status, (ids["guests"],)) == "cancelled", "it")
    with daybook.client() as client:
        told = client.get(f"/v1/orders/{ids['guests']}/history", headers={"Daybook-Cart-Token": ids["token"]})
        actors = [event["actor"] for event in client.expect(200, told)["items"]]
    assert "support" in actors and all(":" not in actor for actor in actors)
    assert BEA not in told.text
    rows = rows_of(daybook, "projections/orders/query.c", "order_history", ids["guests"], None, None, "true")
    assert f'"actor":"support:{BEA}"' in "".join(row[0] for row in rows)


# ---- statements that only vendors' requests send ---------------------------------------------------------------------


def text_of(source, name):
    """The SQL of a statement in the program's sources, as the preprocessor leaves it: texts, one behind the other."""
    folders = subprocess.run(["pkg-config", "--cflags-only-I", "libpq"], capture_output=True, text=True, check=True).stdout
    told = subprocess.run(["cc", "-E", "-P", f"-I{ROOT}", f"-I{ROOT / 'build'}", *folders.split(), ROOT / source], capture_output=True, text=True)
    plain = told.stdout
    literal = r'"(?:[^"\\]|\\.)*"'
    (found,) = re.findall(rf"{name} = \{{.*?\.sql =\s*((?:{literal}\s*)+),", plain, re.DOTALL)
    return ast.literal_eval(f"({found})")


def rows_of(daybook, source, name, *parameters):
    quoted = ", ".join("NULL" if parameter is None else "'" + parameter.replace("'", "''") + "'" for parameter in parameters)
    with psycopg.connect(daybook.sql.connection_string) as connection:
        connection.execute(f"PREPARE asked AS {text_of(source, name)}")
        return connection.execute(f"EXECUTE asked ({quoted})").fetchall()


def test_a_vendor_is_shown_his_own_lines(shops):
    daybook, ids = shops
    for vendor, sku, quantity in (("Leaf", "tea", 2), ("Kiln", "pot", 1)):
        ((document, version),) = rows_of(daybook, "projections/orders/query.c", "order_of_vendor", ids["mixed"], vendor)
        order = json.loads(document)
        assert set(order) == {"id", "status", "lines", "created_at"}
        assert (order["id"], order["status"]) == (ids["mixed"], "confirmed") and version > 1
        (line,) = order["lines"]
        assert (line["sku"], line["quantity"], line["total"]) == (sku, quantity, euros(500 * quantity))
        assert document == json.dumps(order, separators=(",", ":"), ensure_ascii=False)
    assert rows_of(daybook, "projections/orders/query.c", "order_of_vendor", ids["mixed"], "Nobody") == []


def test_whose_goods_a_sku_is_is_told_by_the_catalogue(shops):
    daybook, _ = shops
    for sku, vendor in (("tea", [("Leaf",)]), ("pot", [("Kiln",)]), ("secret", [("Leaf",)]), ("none", [])):
        assert rows_of(daybook, "projections/products/query.c", "vendor_of_sku", sku) == vendor


def test_a_barcode_finds_a_vendors_own_first(shops):
    daybook, _ = shops
    for vendor, sku in (("Leaf", "secret"), ("Kiln", "also")):
        ((document, _, owner),) = rows_of(daybook, "projections/products/query.c", "variant_by_barcode", "4006381333931", vendor)
        assert document["sku"] == sku and owner == f"vendor:{vendor}"


def test_whose_stock_it_is_is_told_with_it(shops):
    daybook, _ = shops
    for sku, everybodys, vendor in (("tea", "", "vendor:Leaf"), ("secret", "vendor:Leaf", "vendor:Leaf")):
        for name, owner in (("stock_by_sku", everybodys), ("stock_with_vendor", vendor)):
            ((_, _, told),) = rows_of(daybook, "projections/stock/query.c", name, sku)
            assert told == owner
