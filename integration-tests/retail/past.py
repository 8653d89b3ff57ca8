"""How things stood, asked of a front: orders, stock and products of an installation at random versions and times.

    python past.py --url URL --postgres CONNINFO [--bearer-file FILE] [--questions N] [--seed N] [--figures FILE]

Each kind is asked N times, one question after the other, and half of them by a time. What is answered for stock is held
against the ledger (stock.movements), summed here; what is answered for an order or product against its own members. Prints
each kind's p50 and p99 in milliseconds, and writes the latter into FILE; exit code 1 when an answer is wrong or a p99 is above P99_MOST_MS.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx  # noqa: E402
from harness.sql import Sql  # noqa: E402

P99_MOST_MS = 50

THINGS = {
    "orders": ("SELECT id, version FROM orders.orders ORDER BY md5(id || %s) LIMIT %s", "/v1/orders/{}/history"),
    "stock": ("SELECT sku AS id, version FROM stock.stock ORDER BY md5(sku || %s) LIMIT %s", "/v1/stock/{}"),
    "products": ("SELECT id, version FROM products.products ORDER BY md5(id || %s) LIMIT %s", "/v1/products/{}"),
}
LEVELS = """SELECT location, sum(on_hand_delta)::bigint AS on_hand, sum(reserved_delta)::bigint AS reserved
FROM stock.movements WHERE sku = %s AND version <= %s GROUP BY location ORDER BY location"""


def check(sql: Sql, kind: str, thing: dict, version: int, body: dict) -> None:
    shown = body["order"] if kind == "orders" else body
    assert (shown["version"], body["as_of"]["version"]) == (version, version), (kind, thing, version, body)
    if kind == "stock":
        told = [(level["location"], level["on_hand"], level["reserved"]) for level in body["locations"]]
        ledger = [(row["location"], row["on_hand"], row["reserved"]) for row in sql.rows(LEVELS, (thing["id"], version))]
        assert sorted(told) == ledger, (thing, version, told, ledger)
    else:
        assert shown["changed_at"] == body["as_of"]["occurred_at"], (kind, thing, version, body)


def ask(url: str, headers: dict[str, str], sql: Sql, kind: str, questions: int, rng: random.Random) -> list[float]:
    """Milliseconds, one a question. Two of them for each thing: a version, then the time of that version."""
    select, path = THINGS[kind]
    things = sql.rows(select, (str(rng.random()), (questions + 1) // 2))
    took = []
    with httpx.Client(base_url=url, timeout=30, headers=headers) as client:
        client.get("/health/live")
        for thing in things:
            version = rng.randint(1, thing["version"])
            as_of = version
            for _ in range(2):
                began = time.perf_counter()
                answer = client.get(path.format(thing["id"]), params={"as_of": as_of})
                took.append(1000 * (time.perf_counter() - began))
                assert answer.status_code == 200, (kind, thing, as_of, answer.text)
                body = answer.json()
                # Of several events at one time the last is shown.
                check(sql, kind, thing, version if as_of == version else body["as_of"]["version"], body)
                assert body["as_of"]["version"] >= version
                as_of = body["as_of"]["occurred_at"]
    return sorted(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--bearer-file", type=Path, help="an API key, where the front asks who comes")
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    rng = random.Random(arguments.seed)
    bearer = arguments.bearer_file
    headers = {"Authorization": f"Bearer {bearer.read_text().strip()}"} if bearer else {}
    slow, figures = [], []
    for kind in THINGS:
        took = ask(arguments.url, headers, Sql(arguments.postgres), kind, arguments.questions, rng)
        p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
        print(f"{kind:9} as they stood, {len(took)} questions: p50 {p50:.1f} ms, p99 {p99:.1f} ms (limit {P99_MOST_MS} ms)")
        slow += [kind] if p99 > P99_MOST_MS else []
        figures.append({"name": f"{kind} as they stood, p99", "value": p99, "unit": "ms", "asked": P99_MOST_MS})
    if arguments.figures is not None:
        arguments.figures.write_text(json.dumps(figures))
    if slow:
        raise SystemExit(f"over the limit: {', '.join(slow)}")


if __name__ == "__main__":
    main()
