"""Compares what Daybook holds after the year of retail with the data set itself, computed independently by DuckDB.

    python compare.py --postgres CONNINFO [--sample N]

Compared: the number of orders; units and money (quantity x catalogue price) per product, per department and per week; what
is available per SKU; events per stream. Every difference is named. Exit code 3 when there is one.
"""

import argparse
import sys

import psycopg

import dataset
from prepare import stocked

DIFFERENCES_SHOWN = 20

# How many events each kind of stream has after a purchase without incident. (CartOpened, CartCheckedOut; OrderPlaced,
# OrderStockReserved, OrderPaymentStarted, OrderConfirmed; PaymentRequested, PaymentCaptured;
# ProductDefined, VariantAdded, ProductPublished; and for a SKU SkuClaimed, StockReceived and two for each order line.)
EVENTS = {"carts": 2, "orders": 4, "payments": 2, "products": 3}
SKU_EVENTS_BASE = 2
SKU_EVENTS_A_LINE = 2


class Report:
    def __init__(self) -> None:
        self.differences = 0

    def compare(self, what: str, expected: dict, found: dict) -> None:
        keys = sorted(
            (key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)), key=str
        )
        print(f"{'differs' if keys else 'equal':8} {what}: {len(expected)} expected, {len(found)} found, {len(keys)} differ")
        for key in keys[:DIFFERENCES_SHOWN]:
            print(f"         {what} {key}: expected {expected.get(key)}, found {found.get(key)}")
        if len(keys) > DIFFERENCES_SHOWN:
            print(f"         ... and {len(keys) - DIFFERENCES_SHOWN} more")
        self.differences += len(keys)


def expectations(db) -> dict[str, dict]:
    """From the data set alone: the sold lines, priced."""

    def table(query: str) -> dict:
        return {row[0]: tuple(int(value) for value in row[1:]) for row in db.execute(query).fetchall()}

    priced = "FROM sold JOIN prices USING (product_id) JOIN all_products USING (product_id)"
    sums = "count(*), sum(quantity), sum(quantity * cents)"
    return {
        "orders": table(f"SELECT CAST(basket_id AS VARCHAR), {sums} {priced} GROUP BY 1"),
        "product": table(f"SELECT CAST(product_id AS VARCHAR), {sums} {priced} GROUP BY 1"),
        "department": table(f"SELECT department, {sums} {priced} GROUP BY 1"),
        "week": table(f"SELECT week, {sums} {priced} GROUP BY 1"),
        "available": {
            str(product_id): (stocked(int(units)) - int(units),)
            for product_id, units in db.execute(
                "SELECT c.product_id, coalesce(sum(quantity), 0) FROM catalogue c LEFT JOIN sold USING (product_id) GROUP BY 1"
            ).fetchall()
        },
        "sku events": {
            str(product_id): (SKU_EVENTS_BASE + SKU_EVENTS_A_LINE * int(lines),)
            for product_id, lines in db.execute(
                "SELECT c.product_id, count(s.basket_id) FROM catalogue c LEFT JOIN sold s USING (product_id) GROUP BY 1"
            ).fetchall()
        },
    }


def load_orders(db, postgres) -> dict:
    """Copies the read model's order lines into DuckDB; what is not a confirmed order is told apart."""
    db.execute("CREATE TABLE found (reference VARCHAR, sku VARCHAR, quantity BIGINT, total BIGINT)")
    statuses: dict[str, int] = {}
    with postgres.cursor(name="orders") as cursor:
        cursor.itersize = 5_000
        cursor.execute("SELECT status, document FROM orders.orders")
        rows: list[tuple] = []
        for status, document in cursor:
            statuses[status] = statuses.get(status, 0) + 1
            if status != "confirmed":
                continue
            for line in document["lines"]:
                rows.append((document["reference"], line["sku"], line["quantity"], line["total"]["amount"]))
            if len(rows) > 50_000:
                insert(db, rows)
                rows = []
        insert(db, rows)
    return statuses


def insert(db, rows: list[tuple]) -> None:
    if rows:
        import pyarrow

        columns = list(zip(*rows))
        batch = pyarrow.table(
            {
                "reference": pyarrow.array(columns[0], pyarrow.string()),
                "sku": pyarrow.array(columns[1], pyarrow.string()),
                "quantity": pyarrow.array(columns[2], pyarrow.int64()),
                "total": pyarrow.array(columns[3], pyarrow.int64()),
            }
        )
        db.register("batch", batch)
        db.execute("INSERT INTO found SELECT * FROM batch")
        db.unregister("batch")


def found_sums(db) -> dict[str, dict]:
    def table(query: str) -> dict:
        return {row[0]: tuple(int(value) for value in row[1:]) for row in db.execute(query).fetchall()}

    sums = "count(*), sum(quantity), sum(total)"
    return {
        "orders": table(f"SELECT reference, {sums} FROM found GROUP BY 1"),
        "product": table(f"SELECT sku, {sums} FROM found GROUP BY 1"),
        "department": table(
            f"SELECT department, {sums} FROM found JOIN all_products ON product_id = CAST(sku AS BIGINT) GROUP BY 1"
        ),
        "week": table(
            f"SELECT week, {sums} FROM found JOIN (SELECT DISTINCT basket_id, week FROM all_lines) b"
            " ON b.basket_id = CAST(found.reference AS BIGINT) GROUP BY 1"
        ),
    }


def compare_streams(report: Report, postgres) -> None:
    """Each cart, order, payment and product has exactly the events that its story needs."""
    for view, events in EVENTS.items():
        rows = postgres.execute(f"SELECT version, count(*) FROM {view}.{view} GROUP BY 1").fetchall()
        total = sum(count for _, count in rows)
        report.compare(f"{view} by number of events", {events: total} if total else {}, dict(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", required=True, help="connection string of the read models")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--skip-streams", action="store_true", help="do not compare the number of events (after faults)")
    arguments = parser.parse_args()
    db = dataset.connect(arguments.sample)
    expected = expectations(db)
    report = Report()
    with psycopg.connect(arguments.postgres) as postgres:
        statuses = load_orders(db, postgres)
        print("orders by status: " + ", ".join(f"{status} {count}" for status, count in sorted(statuses.items())))
        found = found_sums(db)
        for what in ("orders", "product", "department", "week"):
            report.compare(what, expected[what], found[what])
        available = dict(postgres.execute("SELECT sku, available FROM stock.stock").fetchall())
        report.compare("available", expected["available"], {sku: (units,) for sku, units in available.items()})
        if not arguments.skip_streams:
            versions = dict(postgres.execute("SELECT sku, version FROM stock.stock").fetchall())
            report.compare("sku events", expected["sku events"], {sku: (n,) for sku, n in versions.items()})
            compare_streams(report, postgres)
    for reason, count in db.execute(
        "SELECT reason, count(*) FROM lines WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall():
        print(f"lines that cannot be sold, {reason}: {count}")
    print(f"{report.differences} differences")
    sys.exit(3 if report.differences else 0)


if __name__ == "__main__":
    main()
