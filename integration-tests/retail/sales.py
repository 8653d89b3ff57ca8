"""The reports of sales, asked of a front: each kind, of random ranges, in random zones, page after page.

    python sales.py --url URL --postgres CONNINFO [--bearer-file FILE] [--questions N] [--seed N] [--figures FILE]

Each kind is asked N times, one question after the other. Of one in twenty the units are held against the orders' own history, summed
here. Prints each kind's p50 and p99 in milliseconds, and writes the latter into FILE; exit code 1 when an answer is wrong or a p99 is
above P99_MOST_MS.
"""

import argparse
import json
import random
import sys
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx  # noqa: E402
from harness.sql import Sql  # noqa: E402

P99_MOST_MS = 50
REPORT = "/v1/analytics/sales"
QUARTER = timedelta(minutes=15)
DAYS_MOST = {"hour": 90, "day": 400, "week": 400, "month": 400, "category": 400, "vendor": 400, "product": 400, "currency": 400}
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Auckland")
CHECKED = 20  # one in so many

CONFIRMED = """SELECT coalesce(sum(l.quantity), 0)::bigint FROM orders.order_history AS h JOIN orders.order_lines AS l USING (order_id)
WHERE h.type = 'OrderConfirmed' AND h.occurred_at >= %s AND h.occurred_at < %s"""


def began(sql: Sql):
    """The quarter of an hour in which the first order was placed, and the one behind the last change."""
    first, last = sql.rows("SELECT min(placed_at) AS first, max(changed_at) AS last FROM orders.orders")[0].values()
    floor = lambda at: at - timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)  # noqa: E731
    return floor(first), floor(last) + QUARTER


def questions(by: str, first, last, rng: random.Random):
    """Ranges of all lengths; half of them have all that was sold in them."""
    while True:
        quarters = rng.randrange(1, DAYS_MOST[by] * 96)
        start = first - rng.randrange(0, quarters) * QUARTER if rng.random() < 0.5 else first - rng.randrange(0, 8) * QUARTER
        end = max(start + quarters * QUARTER, last) if rng.random() < 0.5 else start + quarters * QUARTER
        end = min(end, start + timedelta(days=DAYS_MOST[by]))
        query = {"from": start.isoformat(), "to": end.isoformat(), "by": by, "limit": rng.choice((1, 50, 200))}
        yield start, end, query | ({"tz": rng.choice(ZONES)} if by in ("hour", "day", "week", "month") else {})


def ask(url: str, headers: dict[str, str], sql: Sql, by: str, count: int, rng: random.Random) -> list[float]:
    """Milliseconds, one a question: a report's first pages, and whole where it is checked."""
    first, last = began(sql)
    took: list[float] = []
    with httpx.Client(base_url=url, timeout=30, headers=headers) as client:
        client.get("/health/live")
        for start, end, query in questions(by, first, last, rng):
            is_checked, units, pages, cursor = rng.randrange(CHECKED) == 0, 0, 0, {}
            query |= {"limit": 200} if is_checked else {}
            while pages < 3 or is_checked:
                at = time.perf_counter()
                answer = client.get(REPORT, params=query | cursor)
                took.append(1000 * (time.perf_counter() - at))
                assert answer.status_code == 200, (query, answer.text)
                page, pages = answer.json(), pages + 1
                units += sum(item["units"] for item in page["items"])
                if page["next_cursor"] is None:
                    break
                cursor = {"cursor": page["next_cursor"]}
            # Each product here is of one category, so every report adds up to the same.
            if is_checked:
                expected = sql.value(CONFIRMED, (start, end))
                assert units == expected, (query, units, expected)
            if len(took) >= count:
                return took
    raise AssertionError("there are always more questions")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--bearer-file", type=Path, help="an API key, where the front asks who comes")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    rng = random.Random(arguments.seed)
    bearer = arguments.bearer_file
    headers = {"Authorization": f"Bearer {bearer.read_text().strip()}"} if bearer else {}
    slow, figures = [], []
    for by in DAYS_MOST:
        took = sorted(ask(arguments.url, headers, Sql(arguments.postgres), by, arguments.questions, rng))
        p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
        print(f"sales by {by:9}, {len(took)} pages: p50 {p50:.1f} ms, p99 {p99:.1f} ms (limit {P99_MOST_MS} ms)")
        slow += [by] if p99 > P99_MOST_MS else []
        figures.append({"name": f"sales by {by}, p99", "value": p99, "unit": "ms", "asked": P99_MOST_MS})
    if arguments.figures is not None:
        arguments.figures.write_text(json.dumps(figures))
    if slow:
        raise SystemExit(f"over the limit: {', '.join(slow)}")


if __name__ == "__main__":
    main()
