"""CHECKS 27, what takes minutes: the time of a refusal does not tell who is known, and logins cost no more memory than they are given."""

import math
import statistics
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness.bounds import within
from harness.daybook import Daybook
from harness.person import Person

pytestmark = pytest.mark.attack

ROUNDS = 400
GUESSES_EACH = 8  # of ten failures in a row the last locks, and who is locked is not asked for here
MEDIANS_APART_S = 0.002
LEVEL = 0.01
AT_ONCE = 200
MEMORY_MIB = 64


@pytest.fixture(scope="module")
def front(stack):
    daybook = Daybook(stack, name="timing", access="closed")
    try:
        yield daybook.install().start()
    finally:
        daybook.discard()


def ranks_of(values):
    """From 1 on; equal ones share the middle of theirs. And how many are equal, for each group of them."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    ranks, groups, at = [0.0] * len(values), [], 0
    while at < len(order):
        end = at
        while end < len(order) and values[order[end]] == values[order[at]]:
            end += 1
        for place in order[at:end]:
            ranks[place] = (at + 1 + end) / 2
        groups.append(end - at)
        at = end
    return ranks, groups


def mann_whitney(one, other):
    """The chance of what was measured when both are alike: two-sided, by the normal distribution, corrected for ties."""
    ranks, groups = ranks_of([*one, *other])
    total = len(ranks)
    u = sum(ranks[: len(one)]) - len(one) * (len(one) + 1) / 2
    mean = len(one) * len(other) / 2
    ties = sum(group**3 - group for group in groups) / (total * (total - 1))
    deviation = math.sqrt(len(one) * len(other) / 12 * (total + 1 - ties))
    return math.erfc(max(0.0, abs(u - mean) - 0.5) / deviation / math.sqrt(2))


def test_the_judge_tells_what_differs_from_what_does_not():
    """By hand: 1 to 4 before 5 to 8 is U = 0 of 16, z = (8 - 0.5) / sqrt(12)."""
    assert mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(0.0304, abs=0.0001)
    assert mann_whitney([1, 3, 5, 7], [2, 4, 6, 8]) > 0.5
    assert mann_whitney([1] * 9, [1] * 8 + [2]) > 0.3  # ties
    assert mann_whitney([number % 97 for number in range(ROUNDS)], [number % 97 + 9 for number in range(ROUNDS)]) < LEVEL


def measured(daybook, people):
    """Seconds until the refusal of a wrong password of somebody, and of nobody; in turn, each first as often as the other."""
    times = {True: [], False: []}
    with httpx.Client(base_url=daybook.url, timeout=30) as client:
        for number in range(ROUNDS):
            for is_known in (True, False) if number % 2 else (False, True):
                person = people[number // GUESSES_EACH]
                email = person.email if is_known else f"nobody.{person.email}"
                body = {"email": email, "password": f"guess {number:03} of mine"}
                begun = time.monotonic()
                answer = client.post("/v1/sessions", json=body)
                times[is_known].append(time.monotonic() - begun)
                assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials"), answer.text
    return times[True], times[False]


@pytest.mark.timeout(1200)
def test_the_time_of_a_refusal_does_not_tell_who_is_known(front):
    """Of runs in which nothing differs one in a hundred fails by chance; so one that failed is made again, and both count."""
    for _ in range(2):
        with front.client() as client:
            people = [Person(front, client).verified() for _ in range(-(-ROUNDS // GUESSES_EACH))]
        known, unknown = measured(front, people)
        apart = abs(statistics.median(known) - statistics.median(unknown))
        chance = mann_whitney(known, unknown)
        print(f"medians {apart * 1000:.3f} ms apart, p = {chance:.3f}")
        assert apart < within(MEDIANS_APART_S)
        if chance > LEVEL:
            return
    raise AssertionError(f"the times of {ROUNDS} refusals each differ: p = {chance}")


def test_two_hundred_logins_at_once_take_little_memory(front):
    """At their peak; and whoever reads meanwhile is answered."""
    with front.client() as client:
        known = [Person(front, client).verified() for _ in range(4)]
    stranger = Person(front, None, email="nobody@example.org")
    is_over = threading.Event()
    grown, statuses = [front.service.memory_mib()], Counter()

    def watch():
        while not is_over.wait(0.005):
            grown.append(front.service.memory_mib())

    # Each has a connection, which stays: the client would close idle ones while others of its threads read.
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    crowd = httpx.Client(base_url=front.url, timeout=30, limits=limits)

    def log_in(number):
        person = (*known, stranger)[number % 5]
        return crowd.post("/v1/sessions", json={"email": person.email, "password": person.password}).status_code

    with ThreadPoolExecutor(AT_ONCE + 1) as pool, crowd, httpx.Client(base_url=front.url, timeout=30) as other:
        watching = pool.submit(watch)
        try:
            for _ in range(3):
                asked = [pool.submit(log_in, number) for number in range(AT_ONCE)]
                while not all(one.done() for one in asked):
                    assert other.get("/v1/products").status_code == 200
                statuses.update(one.result() for one in asked)
        finally:
            is_over.set()
            watching.result()
    print(f"{statuses}; {grown[0]} MiB before, {max(grown)} at most, of {len(grown)} looks")
    assert set(statuses) == {201, 401, 429}, statuses
    assert max(grown) - grown[0] < MEMORY_MIB
