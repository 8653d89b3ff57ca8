"""Turns the data set into the files that `daybook load` sends: products, stock for the year, baskets.

    python prepare.py OUT_DIR [--sample N]
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from retail import dataset  # noqa: E402

LOCATION = "main"
SPARE_SHARE = 50  # one unit in 50 more than the year needs, and at least 10
SPARE_LEAST = 10


def write_lines(path: Path, rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    return count


def fetch(db, query):
    cursor = db.execute(query)
    while rows := cursor.fetchmany(10_000):
        yield from rows


def products(db):
    for product_id, department, brand, title, cents in fetch(
        db,
        "SELECT product_id, department, brand, title, cents FROM catalogue JOIN prices USING (product_id) ORDER BY 1",
    ):
        yield {
            "title": title,
            "categories": [dataset.slug(department)],
            "attributes": {"brand": brand} if brand else {},
            "variants": [{"sku": str(product_id), "price": {"amount": cents, "currency": "USD"}}],
            "publish": True,
        }


def stock(db):
    for product_id, units in fetch(
        db,
        "SELECT c.product_id, coalesce(sum(s.quantity), 0) FROM catalogue c LEFT JOIN sold s USING (product_id)"
        " GROUP BY 1 ORDER BY 1",
    ):
        yield {"sku": str(product_id), "location": LOCATION, "quantity": stocked(int(units))}


def stocked(units_sold: int) -> int:
    return units_sold + max(SPARE_LEAST, units_sold // SPARE_SHARE)


def baskets(db):
    """In the order in which they were bought; a basket's lines in the order of their products."""
    basket = None
    for basket_id, product_id, quantity in fetch(
        db,
        "SELECT basket_id, product_id, quantity FROM sold ORDER BY transaction_timestamp, basket_id, product_id",
    ):
        if basket is None or basket["reference"] != str(basket_id):
            if basket is not None:
                yield basket
            basket = {"reference": str(basket_id), "currency": "USD", "lines": []}
        basket["lines"].append({"sku": str(product_id), "quantity": quantity})
    if basket is not None:
        yield basket


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sample", type=int, help="only so many baskets, and the products they name")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    db = dataset.connect(arguments.sample)
    for name, rows in (("products", products(db)), ("stock", stock(db)), ("baskets", baskets(db))):
        print(f"{name}: {write_lines(arguments.out / f'{name}.jsonl', rows)}")
    with (arguments.out / "unsold.tsv").open("w", encoding="utf-8") as out:
        out.write("basket\tproduct\tquantity\treason\n")
        for row in fetch(
            db,
            "SELECT basket_id, product_id, quantity, reason FROM lines WHERE reason IS NOT NULL ORDER BY 4, 1, 2",
        ):
            out.write("\t".join(str(value) for value in row) + "\n")
    for reason, count in db.execute("SELECT reason, count(*) FROM lines WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1").fetchall():
        print(f"lines that cannot be sold, {reason}: {count}")
    empty = db.execute("SELECT count(*) FROM baskets WHERE basket_id NOT IN (SELECT basket_id FROM sold)").fetchone()[0]
    print(f"baskets without a line that can be sold: {empty}")


if __name__ == "__main__":
    main()
