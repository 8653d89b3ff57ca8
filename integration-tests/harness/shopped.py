"""The frame of most fault tests: shoppers while something is harmed, and the judge when all is well again."""

from contextlib import contextmanager

from . import journal
from .judge import judge, settled
from .shop import open_shop
from .shoppers import Habits, Shoppers


def shoppers_of(daybook, seed=None, **habits):
    """Shoppers (Habits(**habits)) on an installation that nobody else buys from, whose shop is opened for them."""
    path = daybook.directory / "journal.jsonl"
    return Shoppers(daybook.url, open_shop(daybook), path, seed, Habits(**habits))


def judged(daybook, shoppers, within_s=60.0):
    """After their end: all comes to rest within so many seconds, each was answered, the judge holds their journal against log,
    views, stock and the provider's ledger, and who asks again is told the same."""
    settled(daybook, within_s)
    entries = journal.read(shoppers.path)
    assert all(entry.outcome != journal.UNKNOWN for entry in entries), "somebody was never answered"
    print(judge(daybook, entries + shoppers.besides), dict(shoppers.answers))
    shoppers.come_back()


@contextmanager
def shopped(daybook, within_s=60.0, seed=None, **habits):
    """`with shopped(daybook) as shoppers:` they shop while the block lasts, and are `judged`."""
    with shoppers_of(daybook, seed, **habits) as shoppers:
        yield shoppers
    judged(daybook, shoppers, within_s)
