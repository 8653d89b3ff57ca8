"""What make bench-doors found, as tables. A round is a dict of turns by the name of their doors; a turn has its `figures`, and
for each kind of work the microseconds of processor time (`us`) of each part."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

LEAST = 0.8  # of the rates without, which the issue asks for
OPEN, CLOSED = "open", "closed"
ALONE = ("access", "limits", "TLS")


@dataclass(frozen=True)
class Figure:
    name: str
    unit: str
    work: str | None = None  # what one of it is, whose processor time is told
    is_rate: bool = True


CARTS = "carts of two lines made over HTTP"
CHECKOUTS = "checkouts of two lines confirmed over HTTP"
HALF = "p99 of checkouts at half of the open peak, open loop"
GETS = "GET /v1/orders/{id}, different ones in turn"
NOT_MODIFIED = "GET answered 304"
FIGURES = (
    Figure(CARTS, "carts/s"),
    Figure(CHECKOUTS, "checkouts/s", "a checkout"),
    Figure(HALF, "ms", is_rate=False),
    Figure(GETS, "requests/s", "a GET by id"),
    Figure(NOT_MODIFIED, "requests/s", "a 304"),
)
CONNECTION = "a connection, with its first request"
WORKS = (CONNECTION, *(figure.work for figure in FIGURES if figure.work is not None))
FRONT, SERVICE = "front's loop", "rest of the service"
PARTS = (FRONT, SERVICE, "PostgreSQL", "broker", "provider", "load")

Turn = dict
Of = Callable[[Turn], float]


@dataclass(frozen=True)
class Spread:
    """Of what the rounds told: the middle, and the ends."""

    median: float
    lowest: float
    highest: float


def spread(values: list[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def each_us(seconds: dict[str, float], count: float) -> dict[str, float]:
    """What each part took for one of so many; `seconds` has the loop's within the service's."""
    parts = seconds | {FRONT: seconds["front"], SERVICE: seconds["service"] - seconds["front"]}
    return {part: parts[part] * 1e6 / count for part in PARTS}


def without(seconds: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """What a load took from the service, without what opening its connections took, which was measured before."""
    return seconds | {part: seconds[part] - before[part] for part in ("front", "service")}


def figure_of(figure: Figure) -> Of:
    return lambda turn: turn["figures"][figure.name]


def service_us(work: str) -> Of:
    """The loop and the rest: what has the processors to itself where the load is elsewhere."""
    return lambda turn: turn["us"][work][FRONT] + turn["us"][work][SERVICE]


def part_us(work: str, part: str) -> Of:
    return lambda turn: turn["us"][work][part]


def of_all(rounds: list[dict[str, Turn]], door: str, of: Of) -> Spread:
    return spread([of(turns[door]) for turns in rounds if door in turns])


def beside_open(rounds: list[dict[str, Turn]], door: str, of: Of, how: Callable[[float, float], float]) -> Spread:
    """Each turn beside the open one of its own round, whatever the machine did in others."""
    return spread([how(of(turns[door]), of(turns[OPEN])) for turns in rounds if door in turns])


def ratio(rounds: list[dict[str, Turn]], door: str, of: Of) -> Spread:
    return beside_open(rounds, door, of, lambda this, other: this / other)


def more(rounds: list[dict[str, Turn]], door: str, of: Of) -> Spread:
    return beside_open(rounds, door, of, lambda this, other: this - other)


def doors_of(rounds: list[dict[str, Turn]]) -> list[str]:
    """Those that were measured beside the open ones."""
    return [door for door in (CLOSED, *ALONE) if any(door in turns for turns in rounds)]


def verdict(figure: Figure, found: Spread) -> str:
    if not figure.is_rate:
        return ""
    return "reached" if found.median >= LEAST else "NOT reached"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def with_ends(found: Spread) -> str:
    return f"{number(found.median)} ({number(found.lowest)} to {number(found.highest)})"


def _line(name: str, values: list[str], width: int = 26) -> str:
    return f"{name:52}" + "".join(f"{value:>{width}}" for value in values)


def _rates(rounds: list[dict[str, Turn]]) -> None:
    print(
        "\n" + _line("median of the rounds (lowest to highest)", [OPEN, CLOSED, f"{CLOSED} / {OPEN}", "by the service's time"])
    )
    for figure in FIGURES:
        of = figure_of(figure)
        found = ratio(rounds, CLOSED, of)
        values = [with_ends(of_all(rounds, door, of)) for door in (OPEN, CLOSED)] + [with_ends(found)]
        if figure.work is not None:
            # As many more or fewer as a service could do that had the processors to itself: the load takes none then.
            values.append(f"{1 / ratio(rounds, CLOSED, service_us(figure.work)).median:.2f}")
        else:
            values.append("")
        print(_line(f"{figure.name}, {figure.unit}", values) + f"  {verdict(figure, found)}")


def _doors_alone(rounds: list[dict[str, Turn]]) -> None:
    doors = doors_of(rounds)
    if doors == [CLOSED]:
        return
    print("\n" + _line(f"beside the {OPEN} doors of the same round", doors))
    for figure in FIGURES:
        print(_line(f"{figure.name}", [with_ends(ratio(rounds, door, figure_of(figure))) for door in doors]))


def _processor(rounds: list[dict[str, Turn]]) -> None:
    doors = doors_of(rounds)
    for work in WORKS:
        title = f"processor time of {work}, us: {OPEN}, and so much more"
        print("\n" + _line(title, [OPEN, *doors], width=14))
        for part in PARTS:
            of = part_us(work, part)
            values = [f"{of_all(rounds, OPEN, of).median:.1f}"]
            values += [f"{more(rounds, door, of).median:+.1f}" for door in doors]
            print(_line(part, values, width=14))


def turn_told(turn: Turn) -> str:
    told = [f"{number(turn['figures'][figure.name])} {figure.unit}" for figure in FIGURES]
    loops = [f"{turn['us'][work][FRONT]:.1f}" for work in WORKS]
    return f"{', '.join(told)}; loop {', '.join(loops)} us"


def tell(rounds: list[dict[str, Turn]]) -> None:
    _rates(rounds)
    _doors_alone(rounds)
    _processor(rounds)


def rows(rounds: list[dict[str, Turn]]) -> list[dict]:
    """The figures of closed doors with all their rounds, as make bench-compare reads them: a later run's beside an earlier's.
    The limit of each is the open doors' figure."""
    found = []
    for figure in FIGURES:
        for door, limit in ((OPEN, None), (CLOSED, f"limit: {figure.name}, {OPEN} doors")):
            of = figure_of(figure)
            both = [turns for turns in rounds if CLOSED in turns]
            name = figure.name if door == CLOSED else f"limit: {figure.name}, {OPEN} doors"
            found.append(
                {"name": name, "unit": figure.unit, "limit": limit, "value": of_all(both, door, of).median,
                 "rounds": [of(turns[door]) for turns in both], "small": not figure.is_rate}
            )  # fmt: skip
    return found
