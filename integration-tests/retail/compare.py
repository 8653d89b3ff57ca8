"""Compares what Daybook holds after the year of retail with the data set itself, computed independently by DuckDB.

    python compare.py --postgres CONNINFO --kafka BROKERS --prefix PREFIX --provider URL --url URL [--bearer-file FILE] [--sample N] [--unsold FILE]

Compared: orders, carts, payments and products by number; units and money (quantity x catalogue price) per order, product,
department and week, and once more as the front's reports of sales tell them; the catalogue's prices; what is available per SKU; events per stream, counted in Kafka; what the
provider charged, against its own ledger; the lines that cannot be sold. Every difference is named. Exit code 3 when there
is one.

What is expected comes from the data set alone. The rules of dataset.py and prepare.py are stated here once more, in other
words, so that a slip there is a difference here.
"""

import argparse
import re
import sys
from collections import Counter, defaultdict
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import duckdb
import httpx
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import money  # noqa: E402
from harness.kafka import Kafka  # noqa: E402
from retail import dataset  # noqa: E402  (where the files are, and nothing else)

DIFFERENCES_SHOWN = 20
ROWS_AT_ONCE = 50_000

# How many events each kind of stream has once its story has ended well:
#   carts     CartOpened, CartCheckedOut
#   orders    OrderPlaced, OrderStockReserved, OrderPaymentStarted, OrderConfirmed
#   payments  PaymentRequested, PaymentCaptured, however the provider came to say so
#   catalog   ProductDefined, VariantAdded, ProductPublished
#   stock     SkuClaimed, StockReceived, and for each order line StockReserved and ReservationConfirmed
EVENTS = {"carts": 2, "orders": 4, "payments": 2, "catalog": 3}
SKU_EVENTS_BASE = 2
SKU_EVENTS_A_LINE = 2


class Report:
    def __init__(self) -> None:
        self.differences = 0

    def compare(self, what: str, expected: dict, found: dict) -> None:
        keys = sorted((key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)), key=str)
        print(f"{'differs' if keys else 'equal':8} {what}: {len(expected)} expected, {len(found)} found, {len(keys)} differ")
        for key in keys[:DIFFERENCES_SHOWN]:
            print(f"         {what} {key}: expected {expected.get(key)}, found {found.get(key)}")
        if len(keys) > DIFFERENCES_SHOWN:
            print(f"         ... and {len(keys) - DIFFERENCES_SHOWN} more")
        self.differences += len(keys)


# ---- what is expected -------------------------------------------------------------------------------------------------


def table(db, query: str) -> dict:
    """The first column's values, each with the rest of its row."""
    return {row[0]: tuple(int(value) for value in row[1:]) for row in db.execute(query).fetchall()}


def open_truth(sample: int | None) -> duckdb.DuckDBPyConnection:
    """Tables: lines (all that were bought), goods (sellable lines, priced), catalogue(product_id, department, cents)."""
    db = duckdb.connect()
    files = dataset.data_dir()
    db.execute(f"CREATE TABLE everything AS SELECT * FROM '{files}/products.parquet'")
    db.execute(f"CREATE TABLE year AS SELECT * FROM '{files}/transactions.parquet'")
    chosen = f"QUALIFY row_number() OVER (ORDER BY md5(CAST(basket_id AS VARCHAR))) <= {sample}" if sample else ""
    db.execute(f"CREATE TABLE chosen AS SELECT basket_id FROM year GROUP BY basket_id {chosen}")
    # A line can be sold when the catalogue has its product and its quantity is between 1 and a million.
    db.execute(
        "CREATE TABLE sellable AS SELECT year.* FROM year SEMI JOIN everything USING (product_id)"
        " WHERE quantity BETWEEN 1 AND 1000000"
    )
    db.execute("CREATE TABLE lines AS SELECT year.* FROM year SEMI JOIN chosen USING (basket_id)")
    insert(db, "prices", ("product_id", "cents"), list(prices(db).items()))
    db.execute(
        f"""
        CREATE TABLE catalogue AS
        SELECT product_id, department, greatest(1, coalesce(cents, 1)) AS cents
        FROM everything LEFT JOIN prices USING (product_id)
        {"SEMI JOIN (FROM sellable SEMI JOIN chosen USING (basket_id)) s USING (product_id)" if sample else ""}
        """
    )
    db.execute(
        "CREATE TABLE goods AS SELECT basket_id, product_id, week, quantity, quantity * cents AS money, department"
        " FROM sellable SEMI JOIN chosen USING (basket_id) JOIN catalogue USING (product_id)"
    )
    return db


def prices(db) -> dict[int, int]:
    """The median of what a unit cost before discounts, in cents, half even: in whole numbers and fractions, from the one
    or two lines in the middle."""
    middle = db.execute(
        """
        SELECT product_id, cents, quantity FROM (
            SELECT product_id, quantity,
                   CAST(round(100 * sales_value) + round(100 * retail_disc) + round(100 * coupon_match_disc) AS BIGINT)
                       AS cents,
                   row_number() OVER (PARTITION BY product_id ORDER BY cents / quantity) AS place,
                   count(*) OVER (PARTITION BY product_id) AS places
            FROM sellable)
        WHERE 2 * place BETWEEN places AND places + 2
        """
    ).fetchall()
    found: dict[int, list[Fraction]] = {}
    for product_id, cents, quantity in middle:
        found.setdefault(product_id, []).append(Fraction(cents, quantity))
    return {product_id: round(sum(units) / len(units)) for product_id, units in found.items()}


def received(sold: int) -> int:
    """What came in for the year: a fiftieth more than is sold, and 10 units more at least."""
    return sold + max(10, sold // 50)


def expectations(db) -> dict[str, dict]:
    sums = "count(*), sum(quantity), sum(money)"
    skus = table(
        db,
        "SELECT CAST(product_id AS VARCHAR), coalesce(sum(quantity), 0), count(quantity), any_value(cents)"
        " FROM catalogue LEFT JOIN goods USING (product_id) GROUP BY 1",
    )
    return {
        "orders": table(db, f"SELECT CAST(basket_id AS VARCHAR), {sums} FROM goods GROUP BY 1"),
        "product": table(db, f"SELECT CAST(product_id AS VARCHAR), {sums} FROM goods GROUP BY 1"),
        "department": table(db, f"SELECT department, {sums} FROM goods GROUP BY 1"),
        "week": table(db, f"SELECT week, {sums} FROM goods GROUP BY 1"),
        "available": {sku: received(sold) - sold for sku, (sold, _, _) in skus.items()},
        "price": {sku: cents for sku, (_, _, cents) in skus.items()},
        "sku events": {f"sku_{sku}": SKU_EVENTS_BASE + SKU_EVENTS_A_LINE * lines for sku, (_, lines, _) in skus.items()},
        "unsold": {
            reason: count
            for reason, (count,) in table(
                db,
                """
                SELECT CASE WHEN quantity > 1000000 THEN 'too_many' WHEN quantity < 1 THEN 'zero_quantity' END, count(*)
                FROM lines SEMI JOIN everything USING (product_id) WHERE quantity NOT BETWEEN 1 AND 1000000 GROUP BY 1
                UNION ALL
                SELECT 'unknown_product', count(*) FROM lines ANTI JOIN everything USING (product_id) HAVING count(*) > 0
                """,
            ).items()
        },
    }


# ---- what is found ----------------------------------------------------------------------------------------------------


def insert(db, name: str, columns: tuple[str, ...], rows: list[tuple]) -> None:
    """Appends the rows to the table, which the first ones make."""
    import pyarrow

    batch = pyarrow.table(dict(zip(columns, zip(*rows) if rows else [[] for _ in columns])))
    db.register("batch", batch)
    exists = db.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [name]).fetchone()[0]
    db.execute(f"INSERT INTO {name} FROM batch" if exists else f"CREATE TABLE {name} AS FROM batch")
    db.unregister("batch")


class Orders:
    """What the read model says of all orders: their lines in the table `found`, and the payments that it names."""

    def __init__(self, db, postgres):
        self.statuses: Counter = Counter()
        self.references: Counter = Counter()
        self.payments: dict[str, str] = {}  # the payment's id -> the order's reference
        columns = ("reference", "sku", "quantity", "total")
        db.execute("CREATE TABLE found (reference VARCHAR, sku VARCHAR, quantity BIGINT, total BIGINT)")
        rows: list[tuple] = []
        with postgres.cursor(name="orders") as cursor:
            cursor.itersize = 5_000
            cursor.execute("SELECT status, document FROM orders.orders")
            for status, document in cursor:
                self.statuses[status] += 1
                self.references[document["reference"]] += 1
                for payment in document["payments"]:
                    self.payments[payment["id"]] = document["reference"]
                for line in document["lines"]:
                    rows.append((document["reference"], line["sku"], line["quantity"], line["total"]["amount"]))
                if len(rows) > ROWS_AT_ONCE:
                    insert(db, "found", columns, rows)
                    rows = []
        if rows:
            insert(db, "found", columns, rows)


def found_sums(db) -> dict[str, dict]:
    sums = "count(*), sum(quantity), sum(total)"
    return {
        "orders": table(db, f"SELECT reference, {sums} FROM found GROUP BY 1"),
        "product": table(db, f"SELECT sku, {sums} FROM found GROUP BY 1"),
        "department": table(
            db, f"SELECT department, {sums} FROM found JOIN everything ON product_id = CAST(sku AS BIGINT) GROUP BY 1"
        ),
        "week": table(
            db,
            f"SELECT week, {sums} FROM found JOIN (SELECT basket_id, any_value(week) AS week FROM year GROUP BY 1)"
            " ON basket_id = CAST(reference AS BIGINT) GROUP BY 1",
        ),
    }


def events_by_stream(kafka: Kafka, topic: str) -> Counter:
    """How many events each stream has in the log itself."""
    found: Counter = Counter()
    for record in kafka.each_record(topic):
        found[next(value for name, value in record.headers() if name == "ce_subject").decode()] += 1
    return found


# ---- the comparison ---------------------------------------------------------------------------------------------------


def compare_rows(report: Report, db, postgres, expected: dict[str, dict], orders: Orders) -> None:
    baskets = len(expected["orders"])
    skus = len(expected["available"])
    report.compare("orders by status", {"confirmed": baskets}, dict(orders.statuses))
    report.compare("orders by basket", dict.fromkeys(expected["orders"], 1), dict(orders.references))
    found = found_sums(db)
    for what in ("orders", "product", "department", "week"):
        report.compare(what, expected[what], found[what])

    def rows(query: str) -> dict:
        return dict(postgres.execute(query).fetchall())

    report.compare("available", expected["available"], rows("SELECT sku, available FROM stock.stock"))
    report.compare("price", expected["price"], rows("SELECT sku, price_minor FROM products.variants WHERE on_sale"))
    for what, query, count in (
        ("carts", "SELECT status, count(*) FROM carts.carts GROUP BY 1", {"checked_out": baskets}),
        ("payments", "SELECT status, count(*) FROM payments.payments GROUP BY 1", {"captured": baskets}),
        ("products", "SELECT status, count(*) FROM products.products GROUP BY 1", {"published": skus}),
    ):
        report.compare(f"{what} by status", count, rows(query))


def compare_streams(report: Report, kafka: Kafka, prefix: str, expected: dict[str, dict]) -> None:
    """Each stream has exactly the events that its story needs, and there are as many streams as there are stories."""
    baskets = len(expected["orders"])
    for family, events in EVENTS.items():
        streams = len(expected["available"]) if family == "catalog" else baskets
        found = Counter(events_by_stream(kafka, f"{prefix}.{family}").values())
        report.compare(f"{family}: streams by number of events", {events: streams}, dict(found))
    report.compare("sku events", expected["sku events"], dict(events_by_stream(kafka, f"{prefix}.stock")))


def compare_charges(report: Report, provider: str, kafka: Kafka, prefix: str, expected: dict, orders: Orders) -> None:
    """Each basket was charged once, what it costs, and the events say so as well."""
    ledger = money.books(provider)
    charged: dict[str, tuple] = {}
    for payment, book in ledger.items():
        basket = orders.payments.get(payment, payment)
        before = charged.get(basket, (0, 0, 0))
        charged[basket] = tuple(map(sum, zip(before, (book["charges"], book["captured"], book["refunded"]))))
    wanted = {basket: (1, cents, 0) for basket, (_, _, cents) in expected["orders"].items()}
    report.compare("provider's charges", wanted, charged)
    told = money.paid_by_events(kafka, f"{prefix}.payments")
    report.compare("payments in ledger and events", {}, dict.fromkeys(money.differences(ledger, told), "differs"))


def report_rows(url: str, headers: dict[str, str], start, end, by: str) -> dict:
    """key -> (units, money), of all pages of a report of sales."""
    found: dict = {}
    query = {"from": start.isoformat(), "to": end.isoformat(), "by": by, "limit": 200}
    with httpx.Client(base_url=url, timeout=30, headers=headers) as client:
        while True:
            answer = client.get("/v1/analytics/sales", params=query)
            if answer.status_code != 200:
                raise SystemExit(f"the report of sales by {by} was answered {answer.status_code}: {answer.text}")
            page = answer.json()
            for item in page["items"]:
                assert item["key"] not in found and item["currency"] == "USD", item
                found[item["key"]] = (item["units"], item["gross"]["amount"])
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]


def compare_reports(report: Report, url: str, headers: dict[str, str], postgres, expected: dict[str, dict]) -> None:
    """Whatever a report has a row of, it adds up to what the baskets do."""
    first, last = postgres.execute("SELECT min(placed_at), max(changed_at) FROM orders.orders").fetchone()
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    start, end = first.replace(**midnight), last.replace(**midnight) + timedelta(days=1)
    whole = tuple(map(sum, zip(*(figures[1:] for figures in expected["orders"].values()))))
    report.compare("sales by currency", {"USD": whole}, report_rows(url, headers, start, end, "currency"))
    for by in ("hour", "day", "week", "month", "vendor"):
        rows = report_rows(url, headers, start, end, by).values()
        report.compare(f"sales by {by}, added up", {"": whole}, {"": tuple(map(sum, zip(*rows)))})
    skus = dict(postgres.execute("SELECT product, sku FROM products.variants").fetchall())
    products = report_rows(url, headers, start, end, "product")
    report.compare(
        "sales by product",
        {sku: figures[1:] for sku, figures in expected["product"].items()},
        {skus[product]: figures for product, figures in products.items()},
    )
    # A department is the category of its products, written as categories are.
    categories: dict[str, tuple] = defaultdict(lambda: (0, 0))
    for department, (_, units, money_) in expected["department"].items():
        name = re.sub("[^a-z0-9]", "-", department.lower()).strip("-")[:64] or "none"
        categories[name] = (categories[name][0] + units, categories[name][1] + money_)
    report.compare("sales by category", dict(categories), report_rows(url, headers, start, end, "category"))


def compare_unsold(report: Report, path: Path, expected: dict) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    report.compare("lines that cannot be sold", expected, dict(Counter(line.rpartition("\t")[2] for line in lines)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True, help="connection string of the read models")
    parser.add_argument("--kafka", required=True, help="brokers of the log")
    parser.add_argument("--prefix", required=True, help="what its topics begin with")
    parser.add_argument("--provider", required=True, help="address of the payment provider's double")
    parser.add_argument("--url", required=True, help="address of the front")
    parser.add_argument("--bearer-file", type=Path, help="an API key, where the front asks who comes")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--unsold", type=Path, help="the list that prepare.py made")
    arguments = parser.parse_args()
    db = open_truth(arguments.sample)
    expected = expectations(db)
    report = Report()
    kafka = Kafka(arguments.kafka)
    bearer = arguments.bearer_file
    headers = {"Authorization": f"Bearer {bearer.read_text().strip()}"} if bearer else {}
    with psycopg.connect(arguments.postgres) as postgres:
        orders = Orders(db, postgres)
        compare_rows(report, db, postgres, expected, orders)
        compare_reports(report, arguments.url, headers, postgres, expected)
    compare_streams(report, kafka, arguments.prefix, expected)
    compare_charges(report, arguments.provider, kafka, arguments.prefix, expected, orders)
    for reason, count in sorted(expected["unsold"].items()):
        print(f"lines that cannot be sold, {reason}: {count}")
    if arguments.unsold:
        compare_unsold(report, arguments.unsold, expected["unsold"])
    print(f"{report.differences} differences")
    sys.exit(3 if report.differences else 0)


if __name__ == "__main__":
    main()
