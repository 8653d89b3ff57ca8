"""Lists of products and orders: what their filters find, in which order, page by page.

The tests share one installation, so each has a vendor or a reference of its own to look for.
"""

import itertools
import uuid

import pytest
from harness.shop import euros
from harness.waiting import wait_until
from test_http_conventions import assert_problem

numbers = itertools.count(1)


@pytest.fixture
def shelf(shop):
    return Shelf(shop)


class Shelf:
    """Products of one vendor, whom no other test has; found by names that the test gives them."""

    def __init__(self, shop):
        self.client = shop.client
        self.shop = shop
        self.vendor = f"Vendor {uuid.uuid4()}"
        self.ids = {}

    def put(self, name, *variants, publish=True, **more):
        """variants: (cents, attributes), one of 100 cents when there is none. The SKUs."""
        skus = [f"L-{next(numbers)}-{uuid.uuid4().hex[:8]}" for _ in variants or [None]]
        body = {"title": name, "vendor": self.vendor} | more
        body["variants"] = [
            {"sku": sku, "price": euros(cents), "attributes": attributes}
            for sku, (cents, attributes) in zip(skus, variants or [(100, {})])
        ]
        self.ids[name] = self.client.expect(201, self.client.post("/v1/products", body))["id"]
        if publish:
            self.client.expect(200, self.client.post(f"/v1/products/{self.ids[name]}/publish"))
        # Each thing that is put must be there, not only the last: the position is that of the last command.
        self.client.expect(200, self.client.get(f"/v1/products/{self.ids[name]}"))
        return skus

    def page(self, **query):
        return self.client.expect(200, self.client.get("/v1/products", params={"vendor": self.vendor} | query))

    def find(self, **query):
        """The names of what is found, in its order."""
        names = {product: name for name, product in self.ids.items()}
        return [names[product["id"]] for product in self.page(**query)["items"]]

    def pages(self, **query):
        """The names on each page."""
        names = {product: name for name, product in self.ids.items()}
        pages, cursor = [], None
        while True:
            page = self.page(**query | ({"cursor": cursor} if cursor else {}))
            pages.append([names[product["id"]] for product in page["items"]])
            cursor = page["next_cursor"]
            if cursor is None:
                return pages


def test_a_search_finds_words_wherever_they_stand_and_titles_first(shelf):
    shelf.put("Brass hanger", description="It holds a lantern, and nothing else.")
    shelf.put("Paper lamp", tags=["lantern"])
    shelf.put("Red lantern")
    shelf.put("Red paint")
    assert shelf.find(q="lanterns") == ["Red lantern", "Paper lamp", "Brass hanger"]
    assert shelf.find(q="LANTERN red") == ["Red lantern"]
    assert shelf.find(q="red -lantern") == ["Red paint"]
    assert sorted(shelf.find(q="paint or hanger")) == ["Brass hanger", "Red paint"]
    assert shelf.find(q='"lantern red"') == []
    assert shelf.find(q='"red lantern"') == ["Red lantern"]
    assert shelf.find(q="lantern", sort="title") == ["Brass hanger", "Paper lamp", "Red lantern"]
    assert shelf.find(q="&|!()'") == []


def test_a_search_finds_skus_vendors_categories_and_attributes(shelf):
    (sku,) = shelf.put("Chair", (100, {"material": "Rattan"}), categories=["garden-furniture"])
    shelf.put("Table")
    for words in (sku, "rattan", "garden furniture", "garden-furniture"):
        assert shelf.find(q=words) == ["Chair"], words
    assert sorted(shelf.find(q=shelf.vendor)) == ["Chair", "Table"]


def test_products_are_found_by_category_tag_and_vendor_together(shelf):
    shelf.put("A", categories=["tea", "drinks"], tags=["bio"])
    shelf.put("B", categories=["drinks"], tags=["bio", "new"])
    shelf.put("C", categories=["tea"], publish=False)
    assert shelf.find(category="drinks") == ["B", "A"]
    assert shelf.find(category="tea") == ["A"]
    assert shelf.find(category="drinks", tag="new") == ["B"]
    assert shelf.find(category="tea", tag="new") == []
    assert shelf.client.get("/v1/products", params={"vendor": "nobody"}).json()["items"] == []
    shelf.client.expect(200, shelf.client.post(f"/v1/products/{shelf.ids['B']}/archive"))
    assert shelf.find(category="drinks") == ["A"]


def test_one_variant_must_meet_all_that_is_asked_of_variants(shelf):
    red_small, blue_large = shelf.put(
        "Shirt", (1000, {"color": "red", "size": "S"}), (2000, {"color": "blue", "size": "L"}), attributes={"fit": "slim"}
    )
    shelf.put("Scarf", (1500, {"color": "red"}), attributes={"color": "mixed", "fit": "slim"})
    assert shelf.find(**{"attr.color": "red"}) == ["Scarf", "Shirt"]
    assert shelf.find(**{"attr.color": "red", "attr.size": "S"}) == ["Shirt"]
    assert shelf.find(**{"attr.color": "red", "attr.size": "L"}) == []
    assert shelf.find(**{"attr.fit": "slim", "attr.color": "blue"}) == ["Shirt"]
    assert shelf.find(**{"attr.color": "mixed"}) == []  # its only variant says otherwise
    assert shelf.find(price_min=1000, price_max=1000) == ["Shirt"]
    assert shelf.find(price_min=1001, price_max=1999) == ["Scarf"]
    assert shelf.find(price_min=2001) == []
    assert shelf.find(price_max=1400, **{"attr.color": "blue"}) == []
    # Each of these is read with the position of the receipt before it: the stock is waited for.
    shelf.shop.stock(blue_large, 1)
    assert shelf.find(in_stock="true") == ["Shirt"]
    assert shelf.find(in_stock="false") == ["Scarf"]
    assert shelf.find(in_stock="true", **{"attr.color": "red"}) == []
    assert shelf.find(in_stock="false", **{"attr.color": "red"}) == ["Scarf", "Shirt"]
    assert shelf.find(in_stock="false", **{"attr.color": "blue"}) == []
    shelf.shop.stock(red_small, 1)
    assert shelf.find(in_stock="true", price_max=1000) == ["Shirt"]


def test_a_changed_attribute_and_price_are_found_at_once(shelf):
    (sku,) = shelf.put("Mug", (500, {"color": "red"}))
    path = f"/v1/products/{shelf.ids['Mug']}"
    shelf.client.expect(200, shelf.client.patch(f"{path}/variants/{sku}", {"attributes": {"color": "green"}}))
    assert shelf.find(**{"attr.color": "red"}) == []
    assert shelf.find(**{"attr.color": "green"}, q="green") == ["Mug"]
    shelf.client.expect(200, shelf.client.patch(f"{path}/variants/{sku}", {"price": euros(700)}))
    assert shelf.find(price_min=700) == ["Mug"]
    shelf.client.expect(200, shelf.client.patch(path, {"title": "Beaker"}))
    assert shelf.find(q="mug") == []
    assert shelf.find(q="beaker") == ["Mug"]


def test_facets_count_what_is_found(shelf):
    shelf.put("A", categories=["tea"], tags=["bio", "new"])
    shelf.put("B", categories=["tea", "gifts"], tags=["bio"])
    shelf.put("C", categories=["coffee"], tags=['"quoted"'])
    page = shelf.page(limit=2)
    assert page["facets"] == {
        "counted": 3,
        "complete": True,
        "category": [{"value": "tea", "count": 2}, {"value": "coffee", "count": 1}, {"value": "gifts", "count": 1}],
        "tag": [{"value": "bio", "count": 2}, {"value": '"quoted"', "count": 1}, {"value": "new", "count": 1}],
        "vendor": [{"value": shelf.vendor, "count": 3}],
    }
    assert shelf.page(limit=2, cursor=page["next_cursor"])["facets"] is None
    assert shelf.page(tag="new", sort="price")["facets"]["category"] == [{"value": "tea", "count": 1}]
    nothing = shelf.page(q="nothing-has-this-word")
    assert nothing["items"] == []
    assert nothing["facets"] == {"counted": 0, "complete": True, "category": [], "tag": [], "vendor": []}


def test_a_facet_names_its_twenty_most_frequent_values(shelf):
    for number in range(3):
        shelf.put(f"P{number}", tags=[f"tag-{tag:02}" for tag in range(25) if tag < 5 or tag % 3 == number])
    tags = shelf.page()["facets"]["tag"]
    assert len(tags) == 20
    assert tags[:5] == [{"value": f"tag-{tag:02}", "count": 3} for tag in range(5)]
    assert {tag["count"] for tag in tags[5:]} == {1}


@pytest.mark.parametrize(
    "query, expected",
    [
        ({"sort": "newest"}, ["e", "d", "C", "b", "a"]),
        ({"sort": "-newest"}, ["a", "b", "C", "d", "e"]),
        ({"sort": "title"}, ["a", "b", "C", "d", "e"]),
        ({"sort": "-title"}, ["e", "d", "C", "b", "a"]),
        ({"q": "thing", "sort": "title"}, ["a", "b", "C", "d", "e"]),
    ],
)
def test_each_page_goes_on_where_the_one_before_it_ended(shelf, query, expected):
    for name in ("a", "b", "C", "d", "e"):
        shelf.put(name, description="A thing.")
    assert shelf.pages(limit=2, **query) == [expected[:2], expected[2:4], expected[4:]]


@pytest.mark.parametrize("query", [{"sort": "price"}, {"sort": "-price"}, {"q": "thing"}, {"q": "thing", "sort": "title"}])
def test_equal_keys_neither_repeat_nor_lose_a_product(shelf, query):
    prices = {"p1": 300, "p2": 100, "p3": 100, "p4": 100, "p5": 200}
    for name, cents in prices.items():
        shelf.put(name, (cents, {}), (900, {}), description="thing " * (cents // 100))
    whole = shelf.find(**query)
    assert [name for page in shelf.pages(limit=1, **query) for name in page] == whole
    assert sorted(whole) == sorted(prices)
    if query.get("sort") == "price":
        assert [prices[name] for name in whole] == [100, 100, 100, 200, 300]
    elif query.get("sort") == "-price":
        assert [prices[name] for name in whole] == [300, 200, 100, 100, 100]


def test_a_cursor_stays_where_it_is_when_its_product_moves_or_goes(shelf):
    for name in ("a", "b", "c", "d"):
        shelf.put(name)
    page = shelf.page(sort="title", limit=2)
    shelf.client.expect(200, shelf.client.patch(f"/v1/products/{shelf.ids['b']}", {"title": "zzz"}))
    behind = shelf.find(sort="title", limit=9, cursor=page["next_cursor"])
    assert behind == ["c", "d", "b"]
    shelf.client.expect(200, shelf.client.post(f"/v1/products/{shelf.ids['b']}/archive"))
    assert shelf.find(sort="title", limit=9, cursor=page["next_cursor"]) == ["c", "d"]


def test_a_cursor_of_another_query_is_refused(shelf):
    for name in ("a", "b"):
        shelf.put(name)
    cursor = shelf.page(sort="title", limit=1)["next_cursor"]
    others = [{"sort": "-title"}, {"sort": "title", "q": "a"}, {"sort": "title", "vendor": "other"}, {}]
    for query in others:
        asked = {"vendor": shelf.vendor} | query | {"cursor": cursor}
        problem = shelf.client.get("/v1/products", params=asked)
        assert_problem(problem, 400, "invalid_parameter")
        assert problem.json()["parameter"] == "cursor"
    assert_problem(shelf.client.get("/v1/orders", params={"cursor": cursor}), 400, "invalid_parameter")


def test_a_cursor_of_other_stock_or_one_that_was_changed_is_refused(shop):
    skus = [f"M-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    for sku in skus:
        shop.sells(sku, 100, 1)
        shop.stock(sku, 1)
    movements = [f"/v1/stock/{sku}/movements" for sku in skus]
    page = shop.client.expect(200, shop.client.get(movements[0], params={"limit": 1}))
    cursor = page["next_cursor"]
    assert shop.client.get(movements[0], params={"limit": 1, "cursor": cursor}).status_code == 200
    changed = ("B" if cursor[0] == "A" else "A") + cursor[1:]
    for path, wrong in (
        (movements[1], cursor),
        ("/v1/orders", cursor),
        *((movements[0], wrong) for wrong in (changed, cursor[:-4], cursor + "AAAA", cursor * 40, "x", "", "%00")),
    ):
        answer = shop.client.get(path, params={"cursor": wrong})
        assert_problem(answer, 400, "invalid_parameter")
        assert answer.json()["parameter"] == "cursor"


@pytest.mark.parametrize(
    "query, code, parameter",
    [
        ("price_min=-1", "invalid_parameter", "price_min"),
        ("price_max=1e3", "invalid_parameter", "price_max"),
        ("price_min=2&price_max=1", "invalid_parameter", "price_max"),
        ("in_stock=1", "invalid_parameter", "in_stock"),
        ("sort=relevance", "invalid_parameter", "sort"),
        ("sort=stars", "invalid_parameter", "sort"),
        ("q=%ff", "invalid_parameter", "q"),
        ("attr.color=", "invalid_parameter", "attr.color"),
        ("&".join(f"attr.a{number}=x" for number in range(9)), "invalid_parameter", "attr.a8"),
        ("attr.=red", "unknown_parameter", "attr."),
        ("colour=red", "unknown_parameter", "colour"),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_by_its_name(client, query, code, parameter):
    answer = client.http.get(f"/v1/products?{query}")
    assert_problem(answer, 400, code)
    assert answer.json()["parameter"] == parameter


def test_orders_come_by_time_or_total(shop):
    sku = f"O-{uuid.uuid4().hex[:8]}"
    reference = str(uuid.uuid4())
    shop.sells(sku, 100, 100)
    bought = []
    for quantity in (2, 1, 2, 3):
        cart = shop.cart((sku, quantity), reference=reference)["id"]
        bought.append(shop.client.expect(201, shop.check_out(cart))["id"])
    first, second, third, fourth = bought

    def orders(**query):
        seen, cursor = [], None
        while True:
            asked = {"reference": reference, "limit": 1} | query | ({"cursor": cursor} if cursor else {})
            page = shop.client.expect(200, shop.client.get("/v1/orders", params=asked))
            seen += [order["id"] for order in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return seen

    assert orders() == orders(sort="-placed_at") == bought[::-1]
    assert orders(sort="placed_at") == bought
    equal = sorted([first, third])
    assert orders(sort="total") == [second, *equal, fourth]
    assert orders(sort="-total", status="confirmed", sku=sku) == [fourth, *equal[::-1], second]
    placed_at = shop.order(second)["created_at"]
    assert orders(sort="placed_at", **{"from": placed_at}) == bought[1:]
    assert orders(sort="total", to=placed_at) == [first]


def test_every_view_of_what_was_listed_is_what_the_log_says(daybook, shelf):
    shelf.put("Last", (100, {"color": "red"}), attributes={"color": "blue", "fit": "slim"}, description="words")
    for view in ("products", "stock", "orders"):
        daybook.run("projection", "compare", view)


@pytest.mark.slow
def test_in_a_large_catalogue_searches_and_filters_are_served_by_indexes(new_daybook):
    daybook = new_daybook()
    daybook.sql.run(
        "INSERT INTO products.products (id, status, title, vendor, categories, tags, price_least, keywords, document,"
        " document_bytes, version, created_at, changed_at) SELECT 'prod_' || n, 'published', 'Word' || n, 'V' || n % 100,"
        " ARRAY['c' || n % 50], ARRAY['t' || n % 500], n, 'common', '{}', 2, 1, moment, moment"
        " FROM generate_series(1, 30000) AS n, LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 s') AS t(moment)"
    )
    daybook.sql.run(
        "INSERT INTO products.variants (sku, product, on_sale, title, price_minor, currency, attributes, found_by, version)"
        " SELECT 's' || n, 'prod_' || n, true, 'Word', n, 'EUR', '{}', ARRAY['a' || chr(31) || n % 300], 1"
        " FROM generate_series(1, 30000) AS n"
    )
    daybook.sql.run("VACUUM ANALYZE products.products, products.variants")

    def scans():
        indexes = daybook.sql.rows(
            "SELECT indexrelname AS name, idx_scan AS scans FROM pg_stat_user_indexes WHERE schemaname = 'products'"
        )
        tables = daybook.sql.rows(
            "SELECT relname || ' whole' AS name, seq_scan AS scans FROM pg_stat_user_tables WHERE schemaname = 'products'"
        )
        return {row["name"]: row["scans"] for row in indexes + tables}

    with daybook.client() as client:
        for query, index, found in [
            ({"q": "word4711"}, "products_found", 1),
            ({"q": "word4711 or word4712", "sort": "price"}, "products_found", 2),
            ({"tag": "t7", "sort": "title"}, "products_found", 60),
            ({"vendor": "V7"}, "products_vendor", 300),
            ({"attr.a": "7"}, "variants_found", 100),
            ({"price_min": 10, "price_max": 12}, "variants_price", 3),
        ]:
            before = scans()
            page = client.expect(200, client.get("/v1/products", params=query))
            assert page["facets"]["counted"] == found
            # Words are looked for once, for page and facets.
            wanted = 1 if "q" in query else 2

            def counted():
                # A session of PostgreSQL reports its scans as a query of its ends, a second after its last report; one
                # that is asked no more, ten seconds later. This question is of another view.
                client.expect(200, client.get("/v1/orders", params={"reference": str(uuid.uuid4())}))
                return scans()[index] >= before[index] + wanted

            wait_until(counted, f"page and facets of {query} by {index}", pause=0.1)
            after = scans()
            assert [after[name] - before[name] for name in ("products whole", "variants whole")] == [0, 0], query
        whole = client.expect(200, client.get("/v1/products", params={"q": "common"}))["facets"]
        assert (whole["counted"], whole["complete"]) == (10000, False)
