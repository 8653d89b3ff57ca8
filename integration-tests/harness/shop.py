"""The steps of a shop, as its staff and its shoppers take them: each must work, or the test ends here."""

import uuid

from .client import Client
from .waiting import wait_until

EUR = "EUR"


def euros(cents):
    return {"amount": cents, "currency": EUR}


class Shop:
    def __init__(self, client: Client):
        self.client = client

    def product(self, *variants, title="Thing", publish=True):
        """variants: (sku, cents). The product's id."""
        body = {"title": title, "variants": [{"sku": sku, "price": euros(cents)} for sku, cents in variants]}
        product = self.client.expect(201, self.client.post("/v1/products", body))["id"]
        if publish:
            self.client.expect(200, self.client.post(f"/v1/products/{product}/publish"))
            # A shopper finds it once the view of products shows it, which this query waits for.
            self.client.expect(200, self.client.get(f"/v1/products/{product}"))
        return product

    def stock(self, sku, quantity, location="main"):
        body = {"location": location, "quantity": quantity}
        return self.client.expect(200, self.client.post(f"/v1/stock/{sku}/receipts", body))

    def sells(self, sku, cents, quantity):
        """A product on sale, with units in stock."""
        product = self.product((sku, cents))
        self.stock(sku, quantity)
        # Shown once the view of stock has it: later answers bring positions of other streams.
        self.available(sku)
        return product

    def available(self, sku):
        return self.client.expect(200, self.client.get(f"/v1/stock/{sku}"))["available"]

    def cart(self, *lines, **more):
        """lines: (sku, quantity). The cart."""
        body = {"currency": EUR, "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines]} | more
        return self.client.expect(201, self.client.post("/v1/carts", body))

    def check_out(self, cart, method="approve", key=None, **more):
        """The response as it is: what comes of it is the test's matter."""
        body = {"payment": {"provider": "test", "method": method}} | more
        return self.client.post(f"/v1/carts/{cart}/checkout", body, key=key)

    def check_out_without_waiting(self, cart, method):
        return self.client.post(
            f"/v1/carts/{cart}/checkout",
            {"payment": {"provider": "test", "method": method}},
            headers={"Prefer": "respond-async"},
        )

    def order(self, order):
        return self.client.expect(200, self.client.get(f"/v1/orders/{order}"))

    def buy(self, *lines, method="approve"):
        """A confirmed order."""
        order = self.client.expect(201, self.check_out(self.cart(*lines)["id"], method))
        assert order["status"] == "confirmed", order
        return order


class PatientClient(Client):
    """Asks again, under the same key, while it is told 202 or 503: for a shop that opens on a busy machine."""

    def command(self, method, path, body=None, key=None, headers=None, **options):
        key = key or str(uuid.uuid4())

        def answered():
            answer = super(PatientClient, self).command(method, path, body, key, headers, **options)
            return answer.status_code not in (202, 503) and answer

        return wait_until(answered, f"an answer to {method} {path}", 60)


def open_shop(daybook, plenty=1_000_000, few=30):
    """Goods that are always there and goods that run out, for Shoppers; their SKUs."""
    with PatientClient(daybook.url) as client:
        shop = Shop(client)
        shop.sells("plenty", 500, plenty)
        shop.sells("few", 700, few)
    return "plenty", "few"
