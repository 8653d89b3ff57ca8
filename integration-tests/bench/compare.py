"""make bench-compare: what differs between two runs of make bench beyond their noise.

    python compare.py BEFORE.json NOW.json

Each figure is divided by its limit of the same round where it has one, so that a slower machine is no regression. The
rounds of both runs are then compared as two samples by the Mann-Whitney U test, exact for so few: a difference counts
when p < 0.05 and the medians are 5 % apart. Fails when something became worse, or is not there any more. What is measured
once a run, or in too few rounds to tell (less than 4 beside 4), is shown and not judged; where nothing can be judged it fails
as well. Something that was 0 and shall be small (errors) became worse with any other value.
"""

import itertools
import json
import math
import statistics
import sys
from pathlib import Path

P_MOST = 0.05
CHANGE_LEAST = 0.05


def relative(rows: dict[str, dict], name: str) -> list[float]:
    row = rows[name]
    limit = rows.get(row["limit"])
    return [a / b for a, b in zip(row["rounds"], limit["rounds"])] if limit else row["rounds"]


def u_of(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """In how many pairs the first is larger; half a one for a tie."""
    return sum((a > b) + 0.5 * (a == b) for a in first for b in second)


def p_value(first: list[float], second: list[float]) -> float:
    """Two-sided, over all ways to deal the values out."""
    pool, middle = first + second, len(first) * len(second) / 2
    seen = abs(u_of(tuple(first), tuple(second)) - middle)
    ways = as_far = 0
    for chosen in itertools.combinations(range(len(pool)), len(first)):
        taken = set(chosen)
        u = u_of(tuple(pool[i] for i in chosen), tuple(v for i, v in enumerate(pool) if i not in taken))
        ways += 1
        as_far += abs(u - middle) >= seen
    return as_far / ways


def rows_of(path: str) -> dict[str, dict]:
    return {row["name"]: row for row in json.loads(Path(path).read_text())["rows"] if row.get("rounds")}


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: compare.py BEFORE.json NOW.json")
    before, now = rows_of(sys.argv[1]), rows_of(sys.argv[2])
    worse = judged = 0
    missing = sorted(before.keys() - now.keys())
    print(f"{'figure (by its limit, where it has one)':60} {'before':>10} {'now':>10} {'change':>8} {'p':>6}")
    for name in now:
        if name not in before or name.startswith("limit:"):
            continue
        old, new = relative(before, name), relative(now, name)
        change = statistics.median(new) / statistics.median(old) - 1 if statistics.median(old) else 0.0
        p = p_value(old, new)
        can_tell = 2 / math.comb(len(old) + len(new), len(old)) < P_MOST
        judged += can_tell
        counts = can_tell and p < P_MOST and abs(change) >= CHANGE_LEAST
        appeared = now[name]["small"] and statistics.median(old) == 0 < statistics.median(new)
        is_worse = appeared or (counts and (change > 0) == now[name]["small"])
        worse += is_worse
        verdict = "WORSE" if is_worse else "better" if counts else "" if can_tell else "not judged"
        print(f"{name:60} {statistics.median(old):10.3g} {statistics.median(new):10.3g} {change:+8.1%} {p:6.3f}  {verdict}")
    if missing:
        raise SystemExit(f"not there any more: {', '.join(missing)}")
    if worse:
        raise SystemExit(f"{worse} figures became worse")
    if not judged:
        raise SystemExit("too few rounds to tell anything: 4 in each run at least")


if __name__ == "__main__":
    main()
