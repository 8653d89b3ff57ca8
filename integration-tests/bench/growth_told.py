"""What make growth found, as a table and as a plot."""

from pathlib import Path

from plot import Panel
from plot import draw as draw_panels

FLAT = 0.15  # what the issue asks of the cost of an order
SYSTEM = ("service", "PostgreSQL", "broker")  # whose processor time counts: not the provider's double, not the load
PLACES = ("store_bytes", "database_bytes", "log_bytes")


def system_ms(ms: dict) -> float:
    return sum(ms[part] for part in SYSTEM)


def bytes_each(row: dict) -> float:
    return sum(row[place] for place in PLACES) / row["orders"]


# What an order costs, each by its name: what it is, from a row.
COSTS = {
    "processor time a checkout at the peak, ms": lambda row: system_ms(row["ms"]),
    "the same at the fixed rate, ms": lambda row: system_ms(row["steady_ms"]),
    "time a checkout at the peak (of all in flight), ms": lambda row: 1000 / row["per_s"],
    "p50 at the fixed rate, ms": lambda row: row["p50"],
    "p99 at the fixed rate, ms": lambda row: row["p99"],
    "state store, KiB an order": lambda row: row["store_bytes"] / row["orders"] / 1024,
    "database, KiB an order": lambda row: row["database_bytes"] / row["orders"] / 1024,
    "log, KiB an order": lambda row: row["log_bytes"] / row["orders"] / 1024,
    "rebuild of the view of orders, us a row": lambda row: row["rebuilt_s"] * 1e6 / row["rebuilt_rows"],
    "restore of the state, us a record": lambda row: row["restored_s"] * 1e6 / row["restored_records"],
}
BESIDE_YOUNG = tuple(COSTS)[:5]
FIGURES = {
    "checkouts/s at the peak": lambda row: row["per_s"],
    "the young one's, beside it": lambda row: row["young"]["per_s"],
    "service: anonymous memory, MiB": lambda row: row["anonymous_mib"],
    "service: resident with the store's pages, MiB": lambda row: row["resident_mib"],
    "state store, GiB": lambda row: row["store_bytes"] / 2**30,
    "state store after the restore, GiB": lambda row: row["restored_store_bytes"] / 2**30,
    "database, GiB": lambda row: row["database_bytes"] / 2**30,
    "log, GiB": lambda row: row["log_bytes"] / 2**30,
    "rebuild of the view of orders, s": lambda row: row["rebuilt_s"],
    "its rows/s": lambda row: row["rebuilt_rows"] / row["rebuilt_s"],
    "restore of the state, s": lambda row: row["restored_s"],
    "its records/s": lambda row: row["restored_records"] / row["restored_s"],
}


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def round_told(found: dict) -> str:
    ms, steady_ms = system_ms(found["ms"]), system_ms(found["steady_ms"])
    return (
        f"{found['per_s']:,.0f} checkouts/s, {ms:.3f} ms each; at the fixed rate {steady_ms:.3f} ms each, "
        f"p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms"
    )


def repairs_told(row: dict) -> str:
    return (
        f"{row['rebuilt_rows']:,.0f} rows rebuilt in {row['rebuilt_s']:.1f} s, "
        f"{row['restored_records']:,.0f} records restored in {row['restored_s']:.1f} s"
    )


def _line(name: str, values: list[str]) -> str:
    return f"{name:52}" + "".join(f"{value:>26}" for value in values)


def _change(value: float, base: float) -> str:
    change = value / base - 1
    return f"{number(value)} ({change:+.0%}{'' if change <= FLAT else ', NOT flat'})"


def tell(found: dict) -> None:
    rows = found["sizes"]
    print("\n" + _line("orders in the log", [f"{row['orders']:,}" for row in rows]))
    for name, of in FIGURES.items():
        print(_line(name, [number(of(row)) for row in rows]))
    print(f"\nwhat an order costs, by the first size: flat is {FLAT:.0%} more at most")
    for name, of in COSTS.items():
        print(_line(name, [_change(of(row), of(rows[0])) for row in rows]))
    print("\nthe same, by the young installation measured in turn with it")
    for name in BESIDE_YOUNG:
        of = COSTS[name]
        print(_line(name, [_change(of(row), of(row["young"])) for row in rows]))


def draw(found: dict, file: Path) -> None:
    rows = found["sizes"]

    def line(of):
        return [(row["orders"], of(row)) for row in rows]

    first_ms = system_ms(rows[0]["ms"])
    parts = {part: line(lambda row, part=part: row["ms"][part]) for part in SYSTEM}
    young = line(lambda row: system_ms(row["young"]["ms"]))
    draw_panels(
        [
            Panel(
                "Processor time a checkout, ms",
                {"all": line(lambda row: system_ms(row["ms"])), **parts, "young, all": young},
                band=(first_ms * (1 - FLAT), first_ms * (1 + FLAT)),
            ),
            Panel(
                f"Checkouts at {found['rate']}/s: latency, ms",
                {"p50": line(lambda row: row["p50"]), "p99": line(lambda row: row["p99"])},
            ),
            Panel(
                "Room on the disk, KiB an order",
                {
                    "state store": line(COSTS["state store, KiB an order"]),
                    "database": line(COSTS["database, KiB an order"]),
                    "log": line(COSTS["log, KiB an order"]),
                },
            ),
            Panel(
                "Cold takeover and rebuild, s",
                {"state restored": line(lambda row: row["restored_s"]), "view of orders": line(lambda row: row["rebuilt_s"])},
                is_log=True,
            ),
        ],
        "orders in the log",
        file,
    )
