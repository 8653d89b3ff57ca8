"""kill -9 of each role apart at random moments, of the whole service, and of PostgreSQL (CHECKS 1 and 3)."""

import os
import random
import time

import pytest
from harness.daybook import Daybook
from harness.roles import installed_apart
from harness.shop import PatientClient
from harness.shopped import shopped
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

KILLS = int(os.environ.get("KILLS", "10"))
ROLES = ("gateway", "handler", "projector", "connector")


@pytest.fixture
def rng():
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"SEED={seed}")
    return random.Random(seed)


def random_moment(rng):
    time.sleep(rng.uniform(0, 0.5))  # the moment of death is what is random here


def killed_in_mid_work(roles, role, shoppers, rng):
    """Returns with the role dead and missed: a death that nobody notices would test nothing."""
    shoppers.wait_for(5)
    random_moment(rng)
    broken, undecided = shoppers.asked_again(0), shoppers.asked_again(202)
    roles[role].kill()
    if role == "gateway":
        wait_until(lambda: shoppers.asked_again(0) > broken, "a connection that broke")
    elif role == "handler":
        wait_until(lambda: shoppers.asked_again(202) > undecided, "a command that nobody decides")
    elif role == "projector":
        shoppers.wait_for(5)  # orders and stock go on, and the views miss them
    else:
        unpaid = "SELECT count(*) FROM orders.orders WHERE status = 'paying'"
        wait_until(lambda: roles.daybook.sql.value(unpaid) > 0, "an order that nobody asks the provider about")


def killed_and_started(roles, role, shoppers, rng):
    killed_in_mid_work(roles, role, shoppers, rng)
    roles.start(role)


@pytest.mark.slow
def test_the_whole_service_killed_again_and_again_keeps_its_word(stack, rng):
    daybook = Daybook(stack, name="kills", command_wait_ms=2000)
    try:
        daybook.install().start()
        with shopped(daybook) as shoppers:
            for _ in range(KILLS):
                shoppers.wait_for(5)
                random_moment(rng)
                daybook.kill()
                daybook.start()
            assert shoppers.asked_again(0) >= KILLS  # connections that broke
    finally:
        daybook.discard()


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_one_role_killed_again_and_again_keeps_its_word(stack, rng, role):
    with installed_apart(stack, f"kills_{role}", command_wait_ms=2000) as roles:
        roles.start()
        with shopped(roles.daybook) as shoppers:
            for _ in range(KILLS):
                killed_and_started(roles, role, shoppers, rng)


@pytest.mark.quick
def test_each_role_killed_once_in_turn_keeps_its_word(stack, rng):
    with installed_apart(stack, "kills_all", command_wait_ms=2000) as roles:
        roles.start()
        with shopped(roles.daybook) as shoppers:
            for role in rng.sample(ROLES, len(ROLES)):
                killed_and_started(roles, role, shoppers, rng)


def is_refused(answer):
    return answer.status_code == 503 and answer


@pytest.mark.slow
def test_postgres_killed_again_and_again_costs_views_time_and_commands_nothing(own_stack, rng):
    """Stock is counted without it; what needs a price, a key of a person or a view says that it cannot."""
    daybook = Daybook(own_stack, name="pg_kills", command_wait_ms=2000)
    try:
        daybook.install().start()
        with shopped(daybook) as shoppers, PatientClient(daybook.url) as client:
            for _ in range(KILLS):
                shoppers.wait_for(10)
                random_moment(rng)
                own_stack.kill_postgres()
                refused = wait_until(lambda: is_refused(client.http.get("/v1/orders?limit=1")), "a query's refusal")
                assert int(refused.headers["Retry-After"]) > 0
                for delta in (1, -1):
                    counted = {"location": "main", "delta": delta, "reason": "counted"}
                    client.expect(200, client.post("/v1/stock/plenty/adjustments", counted))
                own_stack.start_postgres()
    finally:
        daybook.discard()
