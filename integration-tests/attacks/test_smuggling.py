"""CHECKS 23: one reading of each byte stream, or a refusal and an end; on the real front, with its own count as witness."""

import socket

import pytest
from harness.bounds import within
from harness.waiting import Overdue, wait_until
from raw import Counts, answers_in, connect, read_to_end, send
from smuggling import CASES


@pytest.fixture(scope="module")
def counts(daybook):
    return Counts(daybook.port)


def converse(daybook, case, piece):
    connection = connect(daybook.port, within(5))
    with connection:
        is_sent = send(connection, case.sent, piece)
        if not case.closes:
            connection.shutdown(socket.SHUT_WR)  # what was asked is still answered
        else:
            # A peer that is refused in mid-request must not need to end anything.
            assert is_sent or case.is_refused
        return answers_in(read_to_end(connection), case.is_head)


@pytest.mark.parametrize("piece", (None, 1), ids=("whole", "byte by byte"))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_sent_is_read_in_one_way(daybook, counts, case, piece):
    if piece and len(case.sent) > 2048:
        piece = 512
    counts.reset()
    answers = converse(daybook, case, piece)
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
