"""CHECKS 23: one reading of each byte stream, or a refusal and an end; on the real front, plain and over TLS, with its own
count as witness."""

import socket

import pytest
from harness.authority import Authority, trusting
from harness.bounds import within
from harness.daybook import Daybook
from harness.waiting import Overdue, wait_until
from raw import Counts, answers_in, connect, read_to_end, send
from smuggling import CASES


class Door:
    """Where a front is spoken to; with `context` over TLS."""

    def __init__(self, port, context=None):
        self.port, self.context = port, context
        self.counts = Counts(port, context)


@pytest.fixture(scope="module")
def door(request, stack, tmp_path_factory):
    if request.param == "plain":
        yield Door(request.getfixturevalue("daybook").port)
        return
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue()
    installation = Daybook(stack, name="smuggling", **authority.settings())
    try:
        installation.install().start()
        yield Door(installation.port, trusting(authority.file))
    finally:
        installation.discard()


def converse(door, case, piece):
    connection = connect(door.port, within(5), door.context)
    with connection:
        is_sent = send(connection, case.sent, piece)
        if not case.closes:
            connection.shutdown(socket.SHUT_WR)  # what was asked is still answered
        else:
            # A peer that is refused in mid-request must not need to end anything.
            assert is_sent or case.is_refused
        return answers_in(read_to_end(connection), case.is_head)


# Over TLS records are cut by others (tls_test.c): what is to be seen is that nothing is read in another way behind it.
WAYS = {"whole": ("plain", None), "byte by byte": ("plain", 1), "over TLS": ("tls", None)}


@pytest.mark.parametrize("door, piece", WAYS.values(), ids=WAYS.keys(), indirect=["door"], scope="module")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_sent_is_read_in_one_way(door, case, piece):
    if piece and len(case.sent) > 2048:
        piece = 512
    counts = door.counts
    counts.reset()
    answers = converse(door, case, piece)
    assert [status for status, _, _ in answers if status >= 200] == list(case.answers)
    # A body of which the first byte is there already did not wait.
    interim = [status for status, _, _ in answers if status < 200]
    assert interim == [100] * case.continues or (piece and interim == [100] and b"Expect:" in case.sent)
    if case.closes:
        assert b"\r\nConnection: close\r\n" in answers[-1][1]
    if case.is_refused:
        assert b"\r\nContent-Type: application/problem+json\r\n" in answers[-1][1]
    served = case.answers[: len(case.answers) - case.is_refused]
    expected = ({status: served.count(status) for status in served}, int(case.is_refused))
    seen = []
    try:
        wait_until(lambda: seen.append(counts.since()) or seen[-1] == expected, f"a count of {expected}", within(2))
    except Overdue as overdue:
        raise Overdue(f"{overdue}; the front counted {seen[0]}, in the end {seen[-1]}") from None


def test_the_cases_are_many_and_each_has_a_name():
    assert len(CASES) >= 80
    assert len({case.name for case in CASES}) == len(CASES)
