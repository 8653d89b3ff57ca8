"""The arithmetic of make bench-doors, on figures whose answers are known."""

import json
import os

import pytest
from bench import compare, doors_told
from bench.costs import threads_seconds
from bench.doors_told import CHECKOUTS, FIGURES, GETS, HALF

RATES = {figure.name: 1000.0 for figure in FIGURES}
SECONDS = {"service": 3.0, "front": 1.0, "PostgreSQL": 0.5, "broker": 0.25, "provider": 0.0, "load": 2.0}


def turn(share=1.0, seconds=SECONDS, **figures):
    """Doors with this share of the open ones' rates, and what their work took."""
    rates = {name: value * share for name, value in RATES.items()} | figures
    us = {work: doors_told.each_us(seconds, 1000) for work in doors_told.WORKS}
    return {"figures": rates, "us": us}


def of(name):
    return next(doors_told.figure_of(figure) for figure in FIGURES if figure.name == name)


def test_what_one_takes_is_told_by_part_and_the_loop_is_no_more_within_the_service():
    us = doors_told.each_us(SECONDS, 1000)
    assert us == {
        "front's loop": 1000,
        "rest of the service": 2000,
        "PostgreSQL": 500,
        "broker": 250,
        "provider": 0,
        "load": 2000,
    }
    assert doors_told.service_us("a checkout")(turn()) == 3000


def test_what_connections_took_is_taken_off_the_service_alone():
    left = doors_told.without(SECONDS, {"service": 0.5, "front": 0.25, "broker": 9.0, "load": 9.0})
    assert left == SECONDS | {"service": 2.5, "front": 0.75}


def test_a_turn_is_held_against_the_open_one_of_its_own_round():
    # In the second round the machine is half as fast, whatever the doors; the median of each alone would say 0.45.
    rounds = [
        {"open": turn(1.0), "closed": turn(0.9)},
        {"open": turn(0.5), "closed": turn(0.45)},
        {"open": turn(1.0), "closed": turn(0.45)},
    ]
    found = doors_told.ratio(rounds, "closed", of(GETS))
    assert (found.median, found.lowest, found.highest) == pytest.approx((0.9, 0.45, 0.9))
    rounds[2]["closed"] = turn(0.85)
    assert doors_told.ratio(rounds, "closed", of(GETS)).median == pytest.approx(0.9)


def test_doors_that_fewer_rounds_have_are_held_against_these_alone():
    rounds = [
        {"open": turn(1.0), "closed": turn(0.8), "TLS": turn(0.95)},
        {"open": turn(0.1), "closed": turn(0.08)},
    ]
    assert doors_told.ratio(rounds, "TLS", of(CHECKOUTS)).median == pytest.approx(0.95)
    assert doors_told.doors_of(rounds) == ["closed", "TLS"]
    assert doors_told.of_all(rounds, "open", of(CHECKOUTS)).median == pytest.approx(550)


def test_what_doors_take_more_is_the_difference_within_a_round():
    slower = SECONDS | {"front": 1.5, "service": 3.5}
    rounds = [{"open": turn(), "closed": turn(seconds=slower)}, {"open": turn(seconds=slower), "closed": turn(seconds=slower)}]
    loop, rest = (doors_told.part_us("a 304", part) for part in doors_told.PARTS[:2])
    assert doors_told.more(rounds, "closed", loop).median == pytest.approx(250)
    assert doors_told.more(rounds, "closed", loop).highest == pytest.approx(500)
    assert doors_told.more(rounds, "closed", rest).median == pytest.approx(0)


@pytest.mark.parametrize(("share", "said"), [(0.8, "reached"), (0.79, "NOT reached")])
def test_four_fifths_of_the_rates_are_asked_for_and_of_latencies_nothing(share, said):
    rounds = [{"open": turn(), "closed": turn(share)}]
    verdicts = {
        figure.name: doors_told.verdict(figure, doors_told.ratio(rounds, "closed", of(figure.name))) for figure in FIGURES
    }
    assert verdicts.pop(HALF) == ""
    assert set(verdicts.values()) == {said}


def test_the_rate_by_the_services_time_leaves_out_what_the_load_takes(capsys):
    heavier = SECONDS | {"load": 4.0}
    doors_told.tell([{"open": turn(), "closed": turn(0.6, heavier), "limits": turn(0.99)}])
    lines = capsys.readouterr().out.splitlines()
    told = next(line for line in lines if line.startswith(GETS))
    assert told.endswith("NOT reached") and told.split()[-3] == "1.00"
    more = next(lines[n + 6] for n, line in enumerate(lines) if line.startswith("processor time of a GET by id"))
    assert more.split() == ["load", "2000.0", "+2000.0", "+0.0"]


def test_bench_compare_takes_the_rows_and_divides_by_the_open_doors(tmp_path):
    rounds = [{"open": turn(1.0), "closed": turn(0.9)}, {"open": turn(0.5), "closed": turn(0.4)}]
    file = tmp_path / "doors.json"
    file.write_text(json.dumps({"rows": doors_told.rows(rounds)}))
    rows = compare.rows_of(file)
    assert compare.relative(rows, GETS) == pytest.approx([0.9, 0.8])
    assert rows[HALF]["small"] and not rows[GETS]["small"]
    assert [name for name in rows if not name.startswith("limit:")] == [figure.name for figure in FIGURES]


def test_threads_are_told_by_how_their_names_begin():
    used = threads_seconds(os.getpid(), "")
    assert used > 0
    assert threads_seconds(os.getpid(), "no thread of ours") == 0
