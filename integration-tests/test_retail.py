"""2,000 real baskets: every total right to the cent, also when the service is killed again and again."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from harness.daybook import BINARY, Daybook
from harness.processes import clean_environment
from harness.waiting import wait_until
from retail.run import compare, load, views_have_seen_all

RETAIL = Path(__file__).parent / "retail"
SAMPLE = 2000
KILLED_SAMPLE = 600
KILLS = 20
SEED = 20261123


def prepare(folder: Path, sample: int) -> Path:
    subprocess.run([sys.executable, RETAIL / "prepare.py", folder, "--sample", str(sample)], check=True)
    return folder


@pytest.mark.timeout(600)
def test_two_thousand_baskets_come_out_right_to_the_cent(stack, tmp_path):
    daybook = Daybook(stack, name="retail")
    try:
        daybook.install().start()
        files = prepare(tmp_path, SAMPLE)
        for kind in ("products", "stock", "baskets"):
            load(daybook, kind, files / f"{kind}.jsonl", 128, files / f"{kind}.report.json")
        wait_until(lambda: views_have_seen_all(daybook), "the views to see all", 60)
        compare(daybook, SAMPLE)
        daybook.run("verify", seconds=120)
    finally:
        daybook.discard()


@pytest.fixture
def killed_daybook(stack):
    daybook = Daybook(stack, name="killed")
    try:
        yield daybook.install().start()
    finally:
        daybook.discard()


@pytest.mark.timeout(900)
def test_twenty_kills_change_no_total(killed_daybook, tmp_path):
    daybook = killed_daybook
    print(f"seed {SEED}")
    moments = random.Random(SEED)
    files = prepare(tmp_path, KILLED_SAMPLE)
    for kind in ("products", "stock"):
        load(daybook, kind, files / f"{kind}.jsonl", 128, files / f"{kind}.report.json")
    # Paced, so that baskets are under way at every kill (after one, the group needs its session time-out of 6 s to notice);
    # the client keeps its keys and asks again.
    load_process = subprocess.Popen(
        [
            str(BINARY), "load", str(files / "baskets.jsonl"), "--kind", "baskets", "--url", daybook.url,
            "--rate", "3", "--retry-seconds", "120", "--report", str(files / "baskets.report.json"),
        ],
        env=clean_environment(daybook.environment()),
    )  # fmt: skip
    try:
        kills = 0
        while kills < KILLS:
            assert load_process.poll() is None, "the load ended before the last kill: pace it slower"
            # A moment drawn at random, within the time in which a batch is decided, committed, stored and answered.
            with pytest.raises(subprocess.TimeoutExpired):
                load_process.wait(moments.uniform(0.05, 1.0))
            daybook.kill()
            kills += 1
            daybook.start()
        assert load_process.wait(300) == 0
    finally:
        load_process.kill()
        load_process.wait()
    wait_until(lambda: views_have_seen_all(daybook), "the views to see all", 60)
    # The number of events may differ (a payment that was asked about twice), the totals may not.
    compare(daybook, KILLED_SAMPLE, "--skip-streams")
    daybook.run("verify", seconds=120)
    for view in ("products", "stock", "carts", "orders", "payments"):
        daybook.run("projection", "compare", view, seconds=120)
