"""The payment provider's own ledger against the log: what was really charged is what Daybook says was paid.

The ledger is the double's: it knows nothing of Daybook's events, so a charge that happened twice shows there alone.
"""

from collections import Counter, defaultdict

import httpx

from .authority import NOBODY
from .schemas import decode


def books(provider_url):
    """What the provider did, by payment."""
    found, place = {}, 0
    while place is not None:
        answer = httpx.get(f"{provider_url}/ledger", params={"from": place}, timeout=60, verify=NOBODY)
        assert answer.status_code == 200, answer.text
        found |= {book["payment"]: book for book in answer.json()["payments"]}
        place = answer.json()["next"]
    return found


def paid_by_events(kafka, topic):
    """What the events of payments add up to, by payment: captured, refunded and lost cents, and how often it was captured."""
    found = defaultdict(Counter)
    for record in kafka.each_record(topic):
        name, event = decode(record.value())
        payment = found[event["meta"]["stream"]]
        if name == "PaymentCaptured":
            payment["captures"] += 1
            payment["captured"] += event["amount"]["amount"]
        elif name == "PaymentRefunded":
            payment["refunded"] += event["amount"]["amount"]
        elif name == "DisputeClosed" and event["outcome"] == "lost":
            payment["lost"] += event["amount"]["amount"]
    return found


def differences(ledger, events):
    """A line for each payment that one of them tells otherwise, or that was charged or captured more than once."""
    found = []
    for payment in sorted(ledger.keys() | events.keys()):
        book = ledger.get(payment, {"captured": 0, "refunded": 0, "lost": 0, "charges": 0})
        told = events.get(payment, Counter())
        same = all(book[what] == told[what] for what in ("captured", "refunded", "lost"))
        if not same or book["charges"] > 1 or told["captures"] > 1:
            found.append(f"{payment}: the provider says {book}, the events say {dict(told)}")
    return found


def assert_ledger_is_the_events(daybook, besides=()):
    """`besides`: payments whose provider was played by the test itself."""
    ledger = books(daybook.provider_url)
    events = paid_by_events(daybook.kafka, daybook.topic("payments"))
    assert ledger, "the provider was never asked for anything"
    wrong = [line for line in differences(ledger, events) if line.split(":")[0] not in besides]
    assert not wrong, "\n".join(wrong)
