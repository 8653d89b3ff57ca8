"""An allocation that fails in a running Daybook, at a random moment: it ends, is started again, and nothing was half done.

The process runs with a library of ours before libc's (malloc_faults.c). Each allocation of the decoders and of a batch is
tried in core/handler/memory_test.c; here are all the others: HTTP, PostgreSQL, the providers, librdkafka.
"""

import os
import random

import pytest
from harness.daybook import Daybook
from harness.preload import Preloaded
from harness.shopped import shopped
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

ROUNDS = int(os.environ.get("ROUNDS", "8"))


def test_whichever_allocation_fails_each_purchase_is_whole_or_not_there(stack, tmp_path):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    fault = Preloaded("malloc_faults", tmp_path)
    daybook = Daybook(stack, name="malloc", provider_timeout_ms=2000)
    daybook.service.environment |= fault.environment
    ends = []
    try:
        daybook.install().start()
        with shopped(daybook, 120, seed, threads=4, methods=("approve", "slow", "twice")) as shoppers:
            for _ in range(ROUNDS):
                shoppers.wait_for(3, 90, "reserve")
                fault.number = rng.randrange(1, 3000)
                wait_until(lambda: fault.number <= 0, "the allocation that fails", 60)
                if daybook.service.is_running():
                    # It was refused something, and went on: a client's connection, an answer. Or it is about to end.
                    goal = shoppers.successes("reserve") + 3
                    wait_until(
                        lambda: shoppers.successes("reserve") >= goal or shoppers.complaints or not daybook.service.is_running(),
                        "orders going on, or an end",
                        90,
                    )
                if not daybook.service.is_running():
                    ends.append(daybook.service.wait())
                    fault.number = 0
                    daybook.service.start()
                    wait_until(daybook.is_ready, "readiness", 60)
                else:
                    ends.append("went on")
            print(f"how it ended: {ends}")
    finally:
        fault.number = 0
        daybook.discard()
