"""What is measured, what it is held against, and how it is told."""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """`limit` names another row. The issue's wishes: `ratio` to the limit, and the `value` itself; for what shall be small
    (times, memory) both are the most, else the least."""

    name: str
    unit: str
    limit: str | None = None
    ratio: float | None = None
    value: float | None = None
    small: bool = False


BARE_ALONE = "limit: bare loop, one record alone, p50"
BARE_256 = "limit: bare loop, 256 in flight"
BARE_4096 = "limit: bare loop, 4,096 in flight"
PLAIN = "limit: PostgreSQL alone, checkouts of two lines, 16 clients"
PLAIN_HOT = "limit: PostgreSQL alone, all want one SKU, 64 clients"
PLAIN_ASYNC = "limit: PostgreSQL alone, synchronous_commit off, 16 clients"
PLAIN_HOT_ASYNC = "limit: PostgreSQL alone, synchronous_commit off, one SKU"
SELECT = "limit: pgbench -S prepared, 8 clients"
COPY = "limit: binary COPY of orders"
HELLO = "limit: hello world, one loop, 64 connections"

ROWS = (
    Row(BARE_ALONE, "ms"),
    Row(BARE_256, "records/s"),
    Row(BARE_4096, "records/s"),
    Row(PLAIN, "checkouts/s"),
    Row(PLAIN_HOT, "checkouts/s"),
    Row(PLAIN_ASYNC, "checkouts/s"),
    Row(PLAIN_HOT_ASYNC, "checkouts/s"),
    Row(SELECT, "reads/s"),
    Row(COPY, "rows/s"),
    Row(HELLO, "requests/s"),
    Row("handler alone, backlog of cart commands, 256 in flight", "commands/s", BARE_256, ratio=0.6),
    Row("handler alone, backlog of cart commands, 4,096 in flight", "commands/s", BARE_4096, ratio=0.6),
    Row("one cart command alone over HTTP, p50", "ms", BARE_ALONE, ratio=1.6, small=True),
    Row("cart updates over HTTP", "updates/s"),
    Row("carts of two lines made over HTTP", "carts/s"),
    Row("checkouts of two lines confirmed over HTTP", "checkouts/s", PLAIN, ratio=0.5, value=5000),
    Row("their p99", "ms", small=True),
    Row("their p99 at half of peak, open loop", "ms", value=60, small=True),
    Row("lag of a view at the peak, at most", "s", value=1, small=True),
    Row("memory of daybook serve at the peak", "MiB", value=300, small=True),
    Row("checkouts that all want one SKU", "checkouts/s", PLAIN_HOT, ratio=4),
    Row("baskets: a cart is made and checked out", "baskets/s"),
    Row("GET /v1/orders/{id}, different ones in turn", "requests/s", SELECT, ratio=0.6),
    Row("GET answered 304", "requests/s", HELLO, ratio=0.6),
    Row("rebuild of the view of orders", "rows/s", COPY, ratio=0.4),
    Row("state restored from the log", "records/s", value=400_000),
    Row("memory of the service for each open cart", "bytes", value=1024, small=True),
    Row("10,000 shoppers connected, each acting every 5 s: p99", "ms", value=100, small=True),
    Row("10,000 shoppers: errors", "errors", value=0, small=True),
    Row("10,000 shoppers: memory for each connection", "KiB", value=20, small=True),
    Row("5,000 clients follow one SKU: a change is told, p99", "ms", value=500, small=True),
    Row("5,000 clients follow: memory for each", "KiB", small=True),
    Row("search over 92,331 products: p99", "ms", value=20, small=True),
)
BY_NAME = {row.name: row for row in ROWS}


def is_reached(row: Row, value: float, ratio: float | None) -> bool:
    wishes = [(row.value, value), (row.ratio, ratio)]
    return all(wish is None or (found <= wish if row.small else found >= wish) for wish, found in wishes)


def summarize(values: dict[str, list[float]]) -> list[dict]:
    """A dict a row, with the values of all rounds: compare.py pairs them."""
    found = []
    for row in ROWS:
        rounds = values.get(row.name)
        if not rounds:
            continue
        value = statistics.median(rounds)
        # Each round has its own limit beside it: the median of their ratios, not the ratio of medians.
        limits = values.get(row.limit) if row.limit else None
        ratio = statistics.median(a / b for a, b in zip(rounds, limits)) if limits else None
        asked = row.value is not None or row.ratio is not None
        found.append(
            {"name": row.name, "value": value, "unit": row.unit, "rounds": rounds, "limit": row.limit, "ratio": ratio,
             "asked_value": row.value, "asked_ratio": row.ratio, "small": row.small,
             "reached": is_reached(row, value, ratio) if asked else None}
        )  # fmt: skip
    return found


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def told(row: dict) -> str:
    spread = f"{number(min(row['rounds']))} to {number(max(row['rounds']))}"
    ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else ""
    bound = "at most" if row["small"] else "at least"
    wishes = [f"{bound} {row['asked_ratio']} x"] if row["asked_ratio"] is not None else []
    wishes += [f"{bound} {number(row['asked_value'])}"] if row["asked_value"] is not None else []
    verdict = {None: "", True: "reached", False: "NOT reached"}[row["reached"]]
    return f"{row['name']:60} {number(row['value']):>10} {row['unit']:12} {spread:>22} {ratio:>6}  {', '.join(wishes):30} {verdict}"


def write(file: Path, durability: dict, rows: list[dict]) -> None:
    file.write_text(json.dumps({"durability": durability, "rows": rows}, indent=1) + "\n")
