"""The report of sales: what is summed up, in which zone, page by page; and that its sums are what the log says, however the
topics come interleaved.

What is expected is computed here from the list of what was sold, with Python's own calendar.
"""

import itertools
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from harness.daybook import Daybook
from harness.event_log import Log, projector
from harness.shop import euros
from harness.waiting import wait_until
from test_http_conventions import assert_problem

REPORT = "/v1/analytics/sales"
QUARTER = timedelta(minutes=15)
CURRENCIES = ("EUR", "USD")
PRODUCTS = [f"prod_{number:026d}" for number in range(1, 9)]
FAMILIES = ("orders", "payments", "catalog")
SHARDS = 4


def time_of(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def text_of(time):
    return time.isoformat()


def microseconds(time):
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


# ---- a past that is written down ---------------------------------------------------------------------------------------


class Past:
    """Orders, refunds and products of times that the test chooses, written past the program; and what they add up to."""

    def __init__(self, log):
        self.log = log
        self.records = defaultdict(list)  # by family: (shard, record)
        self.sold, self.cancelled, self.refunded = [], [], []  # (time, currency, lines or cents)
        self.facts = {}  # product -> (vendor, categories)
        self.numbers = itertools.count(1)

    def add(self, family, name, stream, body, at, shard):
        self.records[family].append((shard, self.log.event(family, name, stream, body, at_us=microseconds(at))))

    def order(self, at, currency, *lines, confirmed=True, cancelled_at=None):
        """lines: (product, units, cents)."""
        number = next(self.numbers)
        order, shard = f"ord_{number:026d}.1", number % SHARDS
        money = [{"amount": cents, "currency": currency} for _, _, cents in lines]
        body = {
            "cart": f"cart_{number:026d}",
            "attempt": 1,
            "lines": [
                {"sku": f"S-{place}", "product": product, "title": "Thing", "quantity": units, "unit_price": price, "total": price}
                for place, ((product, units, _), price) in enumerate(zip(lines, money))
            ],
            "total": {"amount": sum(cents for _, _, cents in lines), "currency": currency},
            "payment": {"provider": "test", "method": "approve"},
            "deadline_at": microseconds(at) + 1,
            "pending_command": "",
        }
        self.add("orders", "OrderPlaced", order, body, at - timedelta(hours=2), shard)
        if confirmed:
            self.add("orders", "OrderConfirmed", order, {"payment": ""}, at, shard)
            self.sold.append((at, currency, lines))
        if cancelled_at is not None:
            before = "confirmed" if confirmed else "awaiting_payment"
            self.add(
                "orders", "OrderCancelled", order, {"reason": "no", "by": "request", "status_before": before}, cancelled_at, shard
            )
            if confirmed:
                self.cancelled.append((cancelled_at, currency, lines))

    def refund(self, at, currency, cents):
        number = next(self.numbers)
        body = {"refund": 1, "amount": {"amount": cents, "currency": currency}, "provider_ref": "ref"}
        self.add("payments", "PaymentRefunded", f"pay_{number:026d}.1.1", body, at, number % SHARDS)
        self.refunded.append((at, currency, cents))

    def product(self, product, vendor=None, categories=(), at=datetime(2026, 1, 1, tzinfo=UTC)):
        """Defines it, or changes it."""
        details = {"title": f"Title of {product[-1]}", "vendor": vendor, "categories": list(categories)}
        details |= {"tags": [], "attributes": [], "images": []}
        shard = int(product[-1]) % SHARDS
        if product in self.facts:
            self.add("catalog", "ProductChanged", product, {"before": details, "after": details}, at, shard)
        else:
            self.add("catalog", "ProductDefined", product, {"details": details, "proposed": []}, at, shard)
        self.facts[product] = (vendor, tuple(categories))

    def write(self, *families):
        """Those that were added since, a family after the other; all of them unless some are named."""
        for family in families or tuple(self.records):
            for shard, records in itertools.groupby(self.records.pop(family, []), key=lambda one: one[0]):
                self.log.append(family, *(record for _, record in records), shard=shard)

    # ---- what it adds up to

    def report(self, start, end, by, zone="UTC"):
        """The rows as (key, currency) -> figures, as the endpoint is to tell them."""
        rows = defaultdict(Counter)
        for prefix, told in (("", self.sold), ("cancelled_", self.cancelled)):
            for at, currency, lines in told:
                if start <= at < end:
                    self._count(rows, prefix, at, currency, lines, by, zone)
        for at, currency, cents in self.refunded:
            if start <= at < end and (by == "currency" or by in LABELS):
                rows[currency if by == "currency" else label(at, by, zone), currency]["refunded"] += cents
        return {key: dict(+figures) for key, figures in rows.items()}

    def _count(self, rows, prefix, at, currency, lines, by, zone):
        orders = prefix + "orders"
        for product, units, cents in lines:
            for key in self._keys(product, at, currency, by, zone):
                rows[key, currency][prefix + "units"] += units
                rows[key, currency][prefix.removesuffix("_") or "gross"] += cents
        if by == "product":
            for product in {product for product, _, _ in lines}:
                rows[product, currency][orders] += 1
        elif by not in ("vendor", "category"):
            rows[self._keys(None, at, currency, by, zone)[0], currency][orders] += 1

    def _keys(self, product, at, currency, by, zone):
        if by in ("vendor", "category"):
            vendor, categories = self.facts.get(product, (None, ()))
            return [vendor] if by == "vendor" else sorted(set(categories)) or [None]
        return [{"product": product, "currency": currency}.get(by) or label(at, by, zone)]


LABELS = {
    "hour": lambda wall: wall.strftime("%Y-%m-%dT%H:00"),
    "day": lambda wall: wall.strftime("%Y-%m-%d"),
    "week": lambda wall: "{}-W{:02}".format(*wall.isocalendar()[:2]),
    "month": lambda wall: wall.strftime("%Y-%m"),
}


def label(at, by, zone):
    return LABELS[by](at.astimezone(ZoneInfo(zone)))


# ---- asking ------------------------------------------------------------------------------------------------------------


def pages(client, limit, **query):
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = client.expect(200, client.get(REPORT, params={**query, "limit": limit, **more}))
        assert len(page["items"]) <= limit
        found.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def query_of(start, end, by, zone=None):
    return {"from": text_of(start), "to": text_of(end), "by": by} | ({"tz": zone} if zone else {})


def ask(client, start, end, by, zone=None, limit=200):
    """(key, currency) -> figures that are not 0; and the rows as they came."""
    items = [item for page in pages(client, limit, **query_of(start, end, by, zone)) for item in page]
    rows = defaultdict(Counter)
    places = [(item.get("from"), item["key"], item["currency"]) for item in items]
    assert len(set(places)) == len(places)
    for item in items:
        figures = rows[item["key"], item["currency"]]  # of an hour that comes twice both rows have its key
        for name in ("orders", "units", "cancelled_orders", "cancelled_units"):
            figures[name] += item.get(name, 0)
        for name in ("gross", "cancelled", "refunded"):
            if name in item:
                assert item[name]["currency"] == item["currency"]
                figures[name] += item[name]["amount"]
    return {key: dict(+figures) for key, figures in rows.items()}, items


def wait_seen(daybook):
    """Until the view has seen all three topics; events written past the program have no transaction markers behind them."""
    ends = sum(sum(daybook.kafka.end_offsets(daybook.topic(family))) for family in FAMILIES)
    seen = "SELECT coalesce(sum(next_offset), 0) FROM sales.position"
    wait_until(lambda: int(daybook.sql.value(seen)) == ends, "the view of sales to catch up", 60)


class Books:
    """An installation without a handler: its views and its front read what is written past it."""

    def __init__(self, stack):
        self.daybook = Daybook(stack, name="analytics", roles="gateway,projector", access="open")
        self.past = None

    def __enter__(self):
        self.daybook.install().start()
        self.past = Past(Log(self.daybook))
        self.client = self.daybook.client()
        return self

    def __exit__(self, *_):
        self.daybook.discard()

    def catch_up(self):
        wait_seen(self.daybook)

    def check(self, start, end, by, zone=None):
        expected = self.past.report(start, end, by, zone or "UTC")
        found, items = ask(self.client, start, end, by, zone)
        assert found == expected, (start, end, by, zone)
        return items

    def compare(self):
        self.daybook.run("projection", "compare", "sales")


@pytest.fixture
def books(stack):
    with Books(stack) as opened:
        yield opened


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


# ---- the calendar ------------------------------------------------------------------------------------------------------


def test_hours_days_weeks_and_months_are_those_of_the_zone(books):
    past = books.past
    # New year's eve in Berlin, Kathmandu and New York; nights on which clocks are set; a minute before and after each.
    moments = [
        (moment, zone)
        for zone in ("Europe/Berlin", "Asia/Kathmandu", "America/New_York", "UTC")
        for moment in ("2026-01-01T00:00", "2026-03-29T01:59", "2026-10-25T02:30", "2026-03-08T02:00", "2026-11-01T00:00")
    ]
    for number, (moment, zone) in enumerate(moments):
        for minutes in (-1, 0, 1, 61, 121):
            lines = [(PRODUCTS[number % 8], number + 1, 100 * number + minutes + 2)]
            past.order(at(moment, zone) + timedelta(minutes=minutes), CURRENCIES[number % 2], *lines)
    past.write()
    books.catch_up()
    start, end = at("2025-12-01"), at("2026-12-01")
    for zone in (None, "Europe/Berlin", "Asia/Kathmandu", "America/New_York", "Etc/GMT+5", "Australia/Lord_Howe"):
        for by in ("day", "week", "month"):
            books.check(start, end, by, zone)
        for first in ("2025-12-31", "2026-03-07", "2026-03-28", "2026-10-24", "2026-10-31"):
            if zone != "Australia/Lord_Howe":  # whose hours begin at half past for half of the year
                books.check(at(first), at(first) + timedelta(days=3), "hour", zone)


def test_a_row_says_what_of_it_is_in_the_range(books):
    past = books.past
    for day in (5, 6, 7, 12, 13):
        past.order(at(f"2026-01-{day:02}T12:00"), "EUR", (PRODUCTS[0], 1, 100))
    past.write()
    books.catch_up()
    start, end = at("2026-01-06T00:00", "Europe/Berlin"), at("2026-01-13T00:00", "Europe/Berlin")
    items = books.check(start, end, "week", "Europe/Berlin")
    assert [(item["key"], item["units"], item["from"], item["to"]) for item in items] == [
        ("2026-W02", 2, "2026-01-05T23:00:00.000000Z", "2026-01-11T23:00:00.000000Z"),
        ("2026-W03", 1, "2026-01-11T23:00:00.000000Z", "2026-01-12T23:00:00.000000Z"),
    ]
    assert items[0]["gross"] == euros(200)
    assert items[0]["refunded"] == items[0]["cancelled"] == euros(0)
    # Whose hours begin at a quarter past.
    items = books.check(at("2026-01-06"), at("2026-01-07"), "hour", "Asia/Kathmandu")
    assert [(item["key"], item["from"]) for item in items] == [("2026-01-06T17:00", "2026-01-06T11:15:00.000000Z")]


# ---- whose goods they were ---------------------------------------------------------------------------------------------


def test_groups_are_those_that_products_have_now_and_both_ends_of_a_range_count(books):
    past = books.past
    past.product(PRODUCTS[0], "Garden", ["tea", "tea.black"])
    past.product(PRODUCTS[1], "Garden", ["tea"])
    past.product(PRODUCTS[2])
    for hours in range(0, 96, 5):
        moment = at("2026-02-01T03:10") + timedelta(hours=hours)
        past.order(moment, "EUR", (PRODUCTS[0], 2, 300), (PRODUCTS[1], 1, 50), (PRODUCTS[0], 1, 200))
        past.order(moment, "USD", (PRODUCTS[2], 1, 70), (PRODUCTS[3], 4, 400), cancelled_at=moment + timedelta(hours=30))
    past.write()
    books.catch_up()
    day, noon = at("2026-02-02"), at("2026-02-02T12:00")
    ranges = [
        (day, day + timedelta(days=2)),
        (noon, noon + timedelta(days=2)),
        (noon, noon + QUARTER),
        (noon, day + timedelta(days=1)),
        (day, noon + timedelta(days=1)),
        (at("2026-01-01"), at("2026-03-01")),
    ]
    assert past.report(*ranges[0], "category")["tea.black", "EUR"]["units"] > 0  # there is something to be told
    for start, end in ranges:
        for by in ("category", "vendor", "product", "currency"):
            books.check(start, end, by)
    # They move to other groups, one becomes known, and one has no more.
    past.product(PRODUCTS[0], "Kitchen", ["tea.black", "new"])
    past.product(PRODUCTS[1])
    past.product(PRODUCTS[3], "Kitchen", ["new"])
    past.write()
    books.catch_up()
    for start, end in ranges:
        for by in ("category", "vendor"):
            books.check(start, end, by)
    assert {key for key, _ in past.report(*ranges[5], "vendor")} == {"Kitchen", None}
    # Of a group that has nothing more no row is left, as there is none where it never had any.
    assert books.daybook.sql.value("SELECT count(*) FROM sales.groups WHERE name IN ('Garden', 'tea')") == 0
    books.compare()


def test_titles_are_those_of_today_and_none_where_the_catalogue_has_not_told(books):
    books.past.product(PRODUCTS[0])
    books.past.order(at("2026-02-01"), "EUR", (PRODUCTS[0], 1, 300), (PRODUCTS[1], 1, 50))
    books.past.write()
    books.catch_up()
    items = books.check(at("2026-02-01"), at("2026-02-02"), "product")
    assert [(item["key"], item["title"]) for item in items] == [(PRODUCTS[0], "Title of 1"), (PRODUCTS[1], None)]


# ---- the sums ----------------------------------------------------------------------------------------------------------


def random_past(past, rng, orders):
    """In no order of time, so that sums of one row come from everywhere."""
    for _ in range(orders):
        moment = at("2026-01-01") + timedelta(minutes=rng.randrange(40 * 24 * 60))
        lines = [(rng.choice(PRODUCTS), rng.randint(1, 5), rng.randint(1, 999)) for _ in range(rng.randint(1, 6))]
        later = moment + timedelta(minutes=rng.randrange(9 * 24 * 60))
        past.order(
            moment,
            rng.choice(CURRENCIES),
            *lines,
            confirmed=rng.random() < 0.9,
            cancelled_at=later if rng.random() < 0.2 else None,
        )
        if rng.random() < 0.2:
            past.refund(later, rng.choice(CURRENCIES), rng.randint(1, 500))
    for product in rng.sample(PRODUCTS, 6):
        for _ in range(rng.randint(1, 3)):
            past.product(product, rng.choice(("A", "B", None)), rng.sample(("x", "y", "z"), rng.randint(0, 3)))


@pytest.mark.parametrize("families", [FAMILIES, FAMILIES[::-1]])
def test_sums_are_what_the_log_says_whichever_family_came_first(installed, log, families):
    seed = random.randrange(1 << 32)
    print(f"SEED={seed}")
    past = Past(log)
    random_past(past, random.Random(seed), 150)
    with projector(installed):
        for family in families:
            past.write(family)
            wait_seen(installed)
    installed.run("projection", "compare", "sales")
    assert installed.sql.value("SELECT sum(units) FROM sales.totals") == sum(
        units for _, _, lines in past.sold for _, units, _ in lines
    )
    installed.run("projection", "rebuild", "sales", "--switch")
    installed.run("projection", "compare", "sales")


def test_every_report_of_a_random_past_adds_up(books):
    seed = random.randrange(1 << 32)
    print(f"SEED={seed}")
    rng = random.Random(seed)
    random_past(books.past, rng, 300)
    books.past.write()
    books.catch_up()
    for by in (*LABELS, "category", "vendor", "product", "currency"):
        for _ in range(4):
            start = at("2025-12-30") + rng.randrange(40 * 96) * QUARTER
            end = start + rng.randrange(1, 90 * 96) * QUARTER
            zone = rng.choice(("Europe/Berlin", "Asia/Kolkata", "America/St_Johns")) if by in LABELS else None
            books.check(start, end, by, zone)
    books.compare()


def test_pages_hold_the_report_in_its_order_whatever_their_size(books):
    random_past(books.past, random.Random(7), 120)
    books.past.write()
    books.catch_up()
    start, end = at("2026-01-03T05:15"), at("2026-02-07T11:30")
    for by in (*LABELS, "category", "vendor", "product", "currency"):
        _, whole = ask(books.client, start, end, by)
        for limit in (1, 2, 3, 7):
            if limit == 1 and by == "hour":
                continue  # a thousand requests
            found = pages(books.client, limit, **query_of(start, end, by))
            assert [item for page in found for item in page] == whole, (by, limit)
            assert all(len(page) == limit for page in found[:-1])
        keys = [(item.get("from") or item["key"] or "", item["currency"]) for item in whole]
        assert keys == sorted(keys), by


# ---- what is asked -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_told_is_refused_by_name(client):
    good = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "by": "day"}
    client.expect(200, client.get(REPORT, params=good))
    for more, name in (
        ({"by": "region"}, "by"),
        ({"from": "2026-01-01T00:01:00Z"}, "from"),
        ({"to": "2026-01-01T00:00:00Z"}, "to"),
        ({"by": "hour", "to": "2026-05-01T00:00:00Z"}, "to"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": "CET"}, "tz"),
        ({"tz": "Europe/Berlin", "by": "product"}, "tz"),
        ({"cursor": "x"}, "cursor"),
    ):
        problem = assert_problem(client.get(REPORT, params=good | more), 400, "invalid_parameter")
        assert problem["parameter"] == name, problem
    for name in good:
        without = {key: value for key, value in good.items() if key != name}
        assert assert_problem(client.get(REPORT, params=without), 400, "invalid_parameter")["parameter"] == name
    # The connection is as good as before.
    client.expect(200, client.get(REPORT, params=good | {"tz": "Europe/Berlin"}))


def test_a_purchase_its_cancellation_and_a_refund_are_told_at_once(shop, sku):
    client = shop.client
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    query = query_of(today - timedelta(days=1), today + timedelta(days=2), "currency")
    nothing = {name: 0 for name in ("orders", "units", "cancelled_orders")}
    nothing |= {name: euros(0) for name in ("gross", "cancelled", "refunded")}

    def told():
        # Asked with the position of what was answered last: the view is waited for.
        rows = {item["currency"]: item for item in client.expect(200, client.get(REPORT, params=query))["items"]}
        return rows.get("EUR", nothing)

    shop.sells(sku, 250, 10)
    before = told()
    kept, cancelled = shop.buy((sku, 2)), shop.buy((sku, 3))
    after = told()
    assert after["orders"] - before["orders"] == 2
    assert after["units"] - before["units"] == 5
    assert after["gross"]["amount"] - before["gross"]["amount"] == 1250
    client.expect(200, client.post(f"/v1/orders/{cancelled['id']}/cancel", {"reason": "ordered twice"}))
    assert told()["cancelled_orders"] - before["cancelled_orders"] == 1
    assert told()["cancelled"]["amount"] - before["cancelled"]["amount"] == 750
    payment = kept["payments"][0]["id"]
    client.expect(200, client.post(f"/v1/payments/{payment}/refunds", {"amount": euros(40), "reason": "torn"}))
    # The cancelled order's money goes back as well, both when the provider has said so.
    wait_until(lambda: told()["refunded"]["amount"] - before["refunded"]["amount"] == 790, "the refunds to be told")
    assert told()["orders"] == after["orders"]
