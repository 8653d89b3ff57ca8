"""CHECKS 27: whoever tries passwords in bulk is told 429 and costs others nothing; who is known is told to nobody.

test_people.py has how a lockout and two kinds of refusal look, test_sessions.py how many can wait, attacks/test_login_timing.py what
time tells. Each caller comes from an address of its own: all of 127.0.0.0/8 is this machine.
"""

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.bounds import within
from harness.client import Client
from harness.events import streams
from harness.house import people as daybook_people
from harness.person import PASSWORD, Person, bearer
from harness.roles import installed_apart
from harness.schemas import decode
from harness.waiting import wait_until

FRONTS = ("gateway", "second")
# The default for logins (config.def), and of what else is counted enough.
BURST, EARNED_A_MINUTE = 20, 10
LIMITS = f"read=200/s:1000 search=20/s:1000 write=50/s:1000 login={EARNED_A_MINUTE}/m:{BURST} mail=5/h:5 auth=30/m:60"
LOCKED_AFTER = 10

_addresses = (f"127.0.{high}.{low}" for high in range(1, 255) for low in range(1, 255))
_numbers = itertools.count(1)


class House:
    def __init__(self, split):
        self.split, self.daybook = split, split.daybook
        self.opened = []

    def client(self, front=FRONTS[0]):
        """From an address that nobody else has."""
        self.opened.append(Client(self.split[front].url, source=next(_addresses)))
        return self.opened[-1]

    def person(self):
        return Person(self.daybook, self.client()).verified()

    def events(self, name):
        told = streams(self.daybook.kafka, self.daybook.topic("customers"))
        return [(stream, one.event) for stream, events in told.items() for one in events if one.name == name]

    def commands(self, name):
        return sum(
            decode(record.value())[0] == name for record in self.daybook.kafka.each_record(self.daybook.topic("commands"))
        )


@pytest.fixture(scope="module")
def house(stack):
    with installed_apart(stack, "stuffing", gateways=FRONTS, access="closed", limits=LIMITS) as split:
        made = House(split.start())
        yield made
        for client in made.opened:
            client.close()


def guess(person, client, password=None):
    return person.log_in(client=client, password=password or f"guess {next(_numbers)} of mine")


def assert_refused(answer):
    assert (answer.status_code, answer.json().get("code")) == (401, "invalid_credentials"), answer.text


def without_trace(answer):
    return {name: value for name, value in answer.json().items() if name != "trace_id"}


def fields(answer):
    """What an answer's fields say, save what is another thing each time."""
    return {name: value for name, value in answer.headers.items() if name not in ("date", "traceparent")}


# ---- many addresses, one client -------------------------------------------------------------------------------------


def test_who_tries_one_address_after_the_other_is_stopped_and_the_honest_log_in(house):
    known = [house.person() for _ in range(5)]
    honest = house.person()
    unknown = (Person(house.daybook, None, email=f"leaked{number}@example.org") for number in itertools.count())
    tried = itertools.chain.from_iterable(zip(itertools.cycle(known), unknown, strict=False))
    before = house.commands("OpenSession"), len(house.events("LoginFailed")), len(house.events("SessionOpened"))
    is_over, lock = threading.Event(), threading.Lock()
    source = next(_addresses)
    clients = [Client(house.split[FRONTS[0]].url, source=source) for _ in range(8)]
    answers = []

    def hog(client):
        """Goes on as long as the honest need, and until it is past its burst by far."""
        while not is_over.is_set() or len(answers) < 10 * BURST:
            with lock:
                person = next(tried)
            answers.append(guess(person, client))

    begun = time.monotonic()
    with ThreadPoolExecutor(len(clients)) as pool:
        hogs = [pool.submit(hog, client) for client in clients]
        try:
            wait_until(lambda: any(answer.status_code == 429 for answer in list(answers)), "the end of the burst")
            for _ in range(5):
                asked = time.monotonic()
                session = honest.logged_in()
                assert time.monotonic() - asked < within(1)
                assert honest.client.get("/v1/me", headers=bearer(session)).status_code == 200
        finally:
            is_over.set()
        for one in hogs:
            one.result()
    bound = BURST + int((time.monotonic() - begun) * EARNED_A_MINUTE / 60) + 1
    for client in clients:
        client.close()

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {401, 429}, statuses
    assert BURST <= statuses[401] <= bound and statuses[429] >= 9 * BURST, statuses
    for answer in answers:
        if answer.status_code == 429:
            assert answer.json()["code"] == "rate_limited"
            assert 1 <= int(answer.headers["Retry-After"]) <= 60 / EARNED_A_MINUTE
            assert answer.headers["RateLimit-Policy"] == f'"login";q={BURST};w={60 * BURST // EARNED_A_MINUTE}'
    # What was refused is not in the log, and of an address that is nobody's there is no event at all.
    after = house.commands("OpenSession"), len(house.events("LoginFailed")), len(house.events("SessionOpened"))
    assert after[0] - before[0] == statuses[401] + 5
    assert 0 < after[1] - before[1] <= bound
    assert after[2] - before[2] == 5
    assert {stream for stream, _ in house.events("LoginFailed")} <= {person.id for person in known}


# ---- one address, many clients --------------------------------------------------------------------------------------


def test_guesses_at_several_fronts_at_once_are_counted_by_one(house):
    person = house.person()
    session = person.logged_in()
    clients = [house.client(FRONTS[number % 2]) for number in range(8)]
    with ThreadPoolExecutor(len(clients)) as pool:

        def at_once(password, each):
            """So often from each client; the answers."""
            return list(pool.map(lambda number: guess(person, clients[number % 8], password), range(each * len(clients))))

        wrong = at_once(None, 5)
        failed = [event for stream, event in house.events("LoginFailed") if stream == person.id]
        assert [event["failures"] for event in failed] == list(range(1, LOCKED_AFTER + 1))
        assert [event["locked_until"].timestamp() > 0 for event in failed] == [False] * (LOCKED_AFTER - 1) + [True]
        right = at_once(PASSWORD, 2)
    for answer in wrong + right:
        assert_refused(answer)
        assert without_trace(answer) == without_trace(wrong[0])
        assert sorted(answer.headers) == sorted(wrong[0].headers)
        assert answer.elapsed.total_seconds() >= 0.25
    of_him = Counter(
        name for name in ("LoginFailed", "SessionOpened") for stream, _ in house.events(name) if stream == person.id
    )
    assert of_him == {"LoginFailed": LOCKED_AFTER, "SessionOpened": 1}  # the one before
    for name in FRONTS:
        with Client(house.split[name].url) as client:
            assert client.get("/v1/me", headers=bearer(session)).status_code == 200


# ---- who is known ---------------------------------------------------------------------------------------------------


def test_of_an_address_nothing_is_told_by_a_refusal_whatever_became_of_it(house):
    wrong, locked, suspended, erased = (house.person() for _ in range(4))
    unverified = Person(house.daybook, house.client()).registered()
    unknown = Person(house.daybook, None)
    guesser = house.client(FRONTS[1])
    for _ in range(LOCKED_AFTER):
        assert_refused(guess(locked, guesser))
    gone = erased.client.command(
        "DELETE", "/v1/me", {"password": PASSWORD}, headers=bearer(erased.logged_in()) | {"Prefer": "wait=60"}
    )
    assert erased.client.expect(200, gone)["status"] == "erased"
    daybook_people(house.daybook, "suspend", suspended.id, "robbed")
    wait_until(house.daybook.views_have_seen_all, "the views")
    tries = {
        "nobody's": (unknown, None),
        "a wrong password": (wrong, None),
        "locked": (locked, None),
        "locked, the right password": (locked, PASSWORD),
        "not proved": (unverified, None),
        "not proved, the right password": (unverified, PASSWORD),
        "suspended": (suspended, None),
        "suspended, the right password": (suspended, PASSWORD),
        "erased": (erased, None),
        "erased, the right password": (erased, PASSWORD),
    }
    for front in FRONTS:
        answers = {what: guess(person, house.client(front), password) for what, (person, password) in tries.items()}
        first = answers["nobody's"]
        assert_refused(first)
        assert {"daybook-position", "etag", "location"}.isdisjoint(first.headers)
        for what, answer in answers.items():
            assert answer.status_code == first.status_code, what
            assert without_trace(answer) == without_trace(first), what
            assert fields(answer) == fields(first), what
    # For another password likewise, one after the other: nobody waits for a mail that is sent or not.
    people = {"nobody's": unknown, "somebody's": wrong, "locked": locked, "not proved": unverified}
    people |= {"suspended": suspended, "erased": erased}
    answers = {what: house.client().post("/v1/customers/password-resets", {"email": one.email}) for what, one in people.items()}
    first = answers["nobody's"]
    assert (first.status_code, first.json()) == (202, {"status": "accepted"})
    for what, answer in answers.items():
        assert (answer.status_code, answer.content) == (first.status_code, first.content), what
        assert fields(answer) == fields(first), what
