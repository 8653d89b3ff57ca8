"""Answers are as /openapi.json says: every answer of a walk through the shop is held against the schema of its route, and
every example of a command is sent."""

import json
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest
from harness import money
from harness.described import Described
from harness.event_stream import EventStream
from harness.shop import Shop, euros
from harness.validators import complaints
from harness.waiting import wait_until


@pytest.fixture
def described(client):
    described = Described(client.expect(200, client.http.get("/openapi.json")))
    described.watch(client)
    return described


def test_every_schema_is_one(client):
    document = client.expect(200, client.http.get("/openapi.json"))
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "type" in schema or "anyOf" in schema, name


def test_redoclys_linter_has_nothing_against_the_document_and_has_against_a_harmed_one(client):
    text = client.http.get("/openapi.json").text
    assert complaints("openapi", text) == []
    harmed = json.loads(text)
    del harmed["components"]["schemas"]["Order"]
    assert any(complaint.startswith("no-unresolved-refs") for complaint in complaints("openapi", json.dumps(harmed)))


def test_every_answer_is_as_it_is_described(daybook, client, described):
    shop = Shop(client)
    product = client.expect(
        201,
        client.post(
            "/v1/products",
            {
                "title": "Tea",
                "description": "From Ceylon.",
                "vendor": "Leaf",
                "categories": ["drinks"],
                "tags": ["new"],
                "attributes": {"origin": "LK"},
                "images": ["https://example.com/tea.png"],
                "variants": [
                    {"sku": "api-tea", "barcode": "4006381333931", "title": "100 g", "price": euros(500), "weight_g": 100}
                ],
            },
        ),
    )["id"]
    client.expect(200, client.post(f"/v1/products/{product}/publish"))
    client.expect(200, client.patch(f"/v1/products/{product}", {"title": "Black tea"}))
    client.expect(201, client.post(f"/v1/products/{product}/variants", {"sku": "api-pot", "price": euros(1000)}))
    client.expect(200, client.patch(f"/v1/products/{product}/variants/api-pot", {"price": euros(900)}))
    client.expect(200, client.get(f"/v1/products/{product}"))
    client.expect(200, client.get("/v1/products?limit=1"))
    client.expect(200, client.get("/v1/variants/api-tea"))
    client.expect(200, client.get("/v1/barcodes/4006381333931"))
    client.expect(404, client.get("/v1/barcodes/none"))
    client.expect(200, client.put("/v1/categories/drinks", {"title": "Drinks", "description": "To drink.", "position": 1}))
    client.expect(200, client.put("/v1/categories/tea", {"title": "Tea", "parent": "drinks"}))
    client.expect(409, client.put("/v1/categories/drinks", {"title": "Drinks", "parent": "tea"}))
    client.expect(200, client.get("/v1/categories?parent=drinks"))
    client.expect(200, client.get("/v1/categories/drinks"))
    client.expect(404, client.get("/v1/categories/none"))
    client.expect(200, client.delete("/v1/categories/tea"))
    shop.stock("api-tea", 10)
    adjustment = {"location": "main", "delta": -1, "reason": "broken"}
    client.expect(200, client.post("/v1/stock/api-tea/adjustments", adjustment))
    transfer = {"from": "main", "to": "shop", "quantity": 2}
    client.expect(200, client.post("/v1/stock/api-tea/transfers", transfer))

    cart = shop.cart(("api-tea", 1), reference="basket 1")["id"]
    client.expect(200, client.put(f"/v1/carts/{cart}/lines/api-tea", {"quantity": 2}))
    order = client.expect(201, shop.check_out(cart, email="a@example.com"))
    payment = order["payments"][0]["id"]
    client.expect(200, client.get(f"/v1/carts/{cart}"))
    client.expect(200, client.get(f"/v1/orders/{order['id']}"))
    client.expect(200, client.get("/v1/orders?limit=1"))
    client.expect(200, client.post(f"/v1/orders/{order['id']}/confirmation", {}))
    client.expect(200, client.get(f"/v1/orders/{order['id']}/history"))
    client.expect(200, client.get(f"/v1/orders/{order['id']}/history?as_of=2"))
    client.expect(200, client.post(f"/v1/payments/{payment}/refunds", {"amount": euros(100), "reason": "late"}))
    client.expect(200, client.get(f"/v1/payments/{payment}"))
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    range_ = {"from": (today - timedelta(days=1)).isoformat(), "to": (today + timedelta(days=2)).isoformat()}
    for by in ("hour", "week", "category", "vendor", "product", "currency"):
        report = client.expect(200, client.get("/v1/analytics/sales", params=range_ | {"by": by}))
        assert report["items"], by
    client.expect(400, client.get("/v1/analytics/sales", params=range_ | {"by": "region"}))
    client.expect(200, client.get("/v1/stock/api-tea"))
    client.expect(200, client.get("/v1/stock/api-tea/movements?limit=2"))
    for path in (f"/v1/orders/{order['id']}/stream", "/v1/stock/api-tea/stream"):
        with EventStream(daybook.url, path) as stream:
            described.check(stream.response, stream.next().json())
    client.expect(200, client.get("/v1/stock/api-tea?as_of=2"))
    client.expect(200, client.get(f"/v1/products/{product}?as_of=2"))

    # What goes wrong, and what takes longer.
    client.expect(409, shop.check_out(shop.cart(("api-tea", 100))["id"]))
    declined = client.expect(402, shop.check_out(shop.cart(("api-tea", 1))["id"], "decline"))["order"]
    client.expect(201, client.post(f"/v1/orders/{declined}/payments", {"provider": "test", "method": "approve"}))
    client.expect(200, client.post(f"/v1/orders/{declined}/cancel", {"reason": "changed my mind"}))
    pending = client.post("/v1/carts", {"currency": "EUR"}, headers={"Prefer": "respond-async"})
    client.expect(202, pending)
    assert client.get(pending.headers["Location"]).status_code in (200, 202)
    client.expect(400, client.post("/v1/carts", {"currency": "EUR", "what": 1}))
    client.expect(200, client.http.get("/health/live"))
    client.expect(200, client.http.get("/health/ready"))
    client.expect(200, client.delete(f"/v1/products/{product}/variants/api-pot"))
    client.expect(200, client.post(f"/v1/products/{product}/archive"))

    # These two are accepted for a moment only, between a provider's two answers; they are answered as refunds are.
    assert described.operations(of_people=False) - described.walked() == {
        ("post", f"/v1/payments/{{payment}}/{what}") for what in ("capture", "void")
    }


def test_every_example_is_accepted(daybook, client, described):
    """In the order of a purchase; what a path names is what the examples before it made."""
    sent = set()

    def send(operation, status, **names):
        method, path, body = described.example(operation)
        sent.add(operation)
        return client.expect(status, client.command(method, path.format(**names), body))

    sku = described.example("OpenCart")[2]["lines"][0]["sku"]
    added = described.example("AddVariant")[2]["sku"]
    product = send("DefineProduct", 201)["id"]
    send("PublishProduct", 200, product=product)
    send("ChangeProduct", 200, product=product)
    send("AddVariant", 201, product=product)
    send("ChangeVariant", 200, product=product, sku=added)
    send("ReceiveStock", 200, sku=sku)
    send("AdjustStock", 200, sku=sku)
    send("TransferStock", 200, sku=sku)
    cart = send("OpenCart", 201)["id"]
    send("SetCartLine", 200, cart=cart, sku=sku)
    order = send("CheckOutCart", 201, cart=cart)
    assert order["status"] == "confirmed"
    send("ResendConfirmation", 200, order=order["id"])
    payment = order["payments"][0]["id"]
    send("RefundPayment", 200, payment=payment)
    # What is authorized Daybook captures by itself.
    assert send("CapturePayment", 409, payment=payment)["code"] == "payment_not_capturable"

    shop = Shop(client)
    declined = client.expect(402, shop.check_out(shop.cart((sku, 1))["id"], "decline"))["order"]
    assert send("RetryOrderPayment", 201, order=declined)["status"] == "confirmed"
    send("CancelOrder", 200, order=declined)
    begun = client.expect(201, shop.check_out(shop.cart((sku, 1))["id"], "action"))["payments"][0]["id"]
    wait_until(lambda: money.books(daybook.provider_url).get(begun), "the provider's book")
    send("VoidPayment", 200, payment=begun)
    client.expect(200, client.put(f"/v1/categories/{described.example('PutCategory')[2]['parent']}", {"title": "Above"}))
    send("PutCategory", 200, category="example")
    send("RemoveCategory", 200, category="example")
    send("RemoveVariant", 200, product=product, sku=added)
    send("ArchiveProduct", 200, product=product)

    assert sent == described.examples(of_people=False)


def test_what_is_not_of_the_api_is_as_it_is_described(client, described):
    for path in ("/openapi.json", "/asyncapi.json", "/registry/subjects", "/registry/schemas/ids/1"):
        client.expect(200, client.http.get(path))
    subject = client.http.get("/registry/subjects").json()[0]
    client.expect(200, client.http.get(f"/registry/subjects/{subject}/versions"))
    client.expect(200, client.http.get(f"/registry/subjects/{subject}/versions/latest"))
    client.expect(404, client.http.get("/registry/subjects/none/versions"))
    client.expect(404, client.http.get(f"/registry/subjects/{subject}/versions/99"))
    client.expect(422, client.http.get(f"/registry/subjects/{subject}/versions/none"))
    client.expect(401, client.http.post("/v1/webhooks/test", json={}))
    client.expect(404, client.http.post("/v1/webhooks/nobody", json={}))
    client.expect(404, client.http.get("/v1/products/none"))
    client.expect(422, client.http.get("/v1/products/cart_01KB3Q6ZK8M2V9T4R7X5N1C0HD"))
    client.expect(400, client.http.get("/v1/orders?limit=0"))
