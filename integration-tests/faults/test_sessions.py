"""Sessions of PostgreSQL that meet: a projector that stands still between its rows and COMMIT, and two migrations at once.

Where they are to stand still is a trigger of the test's own, which waits for a lock that the test holds.
"""

import signal
from contextlib import contextmanager

import psycopg
import pytest
from harness.daybook import BINARY, VIEWS, Daybook
from harness.processes import Process
from harness.shop import Shop
from harness.waiting import Overdue, wait_until

pytestmark = pytest.mark.timeout(300)

GATE = 43


@contextmanager
def gate(daybook, table):
    """Whoever inserts into the table waits from here to the end of the block. The trigger stays, and lets all pass."""
    function = table.replace(".", "_") + "_gate"
    daybook.sql.run(
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NULL; END'"
    )
    with psycopg.connect(daybook.sql.connection_string, autocommit=True) as holder:
        holder.execute(f"SELECT pg_advisory_lock({GATE})")
        daybook.sql.run(
            f"CREATE TRIGGER gate BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
        yield


def sessions(daybook, condition):
    """The server's processes of this installation that are so."""
    question = f"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND {condition}"
    return [row["pid"] for row in daybook.sql.rows(question)]


def at_the_gate(daybook):
    return sessions(daybook, "wait_event_type = 'Lock' AND wait_event = 'advisory'")


@pytest.fixture
def installation(stack):
    made = Daybook(stack, name="sessions")
    made.service.command += ["--role", "gateway,handler,connector"]
    try:
        yield made.install()
    finally:
        made.discard()


@pytest.fixture
def projector(installation):
    """Makes processes with that role alone; started, with every view at the end of the log."""
    made = []

    def make(name):
        log = installation.directory / f"{name}.log"
        process = Process(name, [BINARY, "serve", "--role", "projector"], log, installation.environment())
        made.append(process)
        return process.start()

    yield make
    for process in made:
        process.signal(signal.SIGCONT)
        process.stop()


def has_cart(installation, cart):
    return installation.sql.value(f"SELECT count(*) FROM carts.carts WHERE id = '{cart}'") == 1


def test_a_projector_stopped_before_its_commit_is_let_go_and_another_one_goes_on(installation, projector):
    installation.start()
    first = projector("first")
    for view in VIEWS:
        wait_until(lambda: first.says("projector", "the view has caught up", view=view), f"{view} at the log's end")
    with installation.client() as client:
        with gate(installation, "carts.carts"):
            held = client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))["id"]
            (session,) = wait_until(lambda: at_the_gate(installation), "the projector writing its rows")
            first.signal(signal.SIGSTOP)
        idle = f"pid = {session} AND state = 'idle in transaction'"
        try:
            wait_until(lambda: sessions(installation, idle), "the rows, without a COMMIT")
        except Overdue:
            print(installation.sql.rows("SELECT pid, state, wait_event, query FROM pg_stat_activity WHERE datname = current_database()"))
            raise
        second = projector("second")
        assert not has_cart(installation, held)
        # PostgreSQL ends it after 30 s.
        wait_until(lambda: not sessions(installation, idle), "the end of the session that stands still", 60)
        wait_until(lambda: has_cart(installation, held), "the other projector writing the rows", 60)
        first.signal(signal.SIGCONT)
        later = client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))["id"]
        wait_until(lambda: has_cart(installation, later), "the next cart", 60)
    assert first.is_running() and second.is_running()
    for view in VIEWS:
        installation.run("projection", "compare", view)


@pytest.mark.quick
def test_two_migrations_at_once_leave_one_row_about_each_view(installation):
    """As after a migration that ended between its tables and what says of which format they are."""
    view = VIEWS[0]
    installation.sql.run(f"DELETE FROM {view}.about")
    migrations = [
        Process(f"migrate {n}", [BINARY, "migrate"], installation.directory / f"migrate.{n}", installation.environment())
        for n in range(2)
    ]
    with gate(installation, f"{view}.about"):
        for migration in migrations:
            migration.start()
        # Either both stand at the gate, or one of them behind the lock of the other.
        wait_until(lambda: len(at_the_gate(installation)) == 2, "both migrations")
    assert [migration.wait() for migration in migrations] == [0, 0]
    assert installation.sql.value(f"SELECT count(*) FROM {view}.about") == 1
    installation.service.command.remove("--role")
    installation.service.command.pop()
    installation.start()
    with installation.client() as client:
        Shop(client).product(("TEA", 100))
