"""The stack itself: what deploy/local starts, stops and keeps."""

import os
import subprocess

import psycopg
import pytest
from harness.kafka import Kafka
from harness.ports import free_port
from harness.sql import Sql
from harness.stack import SCRIPTS, Stack


def test_kcat_sees_one_broker(stack):
    listing = subprocess.run(
        ["kcat", "-b", stack.brokers, "-L"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert " 1 brokers" in listing
    assert f"at {stack.brokers}" in listing


def test_psql_answers(stack):
    command = ["psql", stack.postgres(), "-AtXc", "SELECT current_user, current_database()"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert answer == "daybook|daybook\n"


def test_the_database_keeps_what_it_acknowledges(stack):
    sql = Sql(stack.postgres())
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert sql.value(f"SHOW {setting}") == "on"


def test_nobody_gets_in_as_superuser_or_from_elsewhere(stack):
    with pytest.raises(psycopg.OperationalError, match="pg_hba.conf"):
        psycopg.connect(f"host=127.0.0.1 port={stack.postgres_port} user=postgres dbname=postgres")
    assert Sql(stack.postgres()).value("SHOW listen_addresses") == "127.0.0.1"
    assert not Sql(stack.postgres()).value("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")


def test_topics_are_only_made_on_purpose(stack):
    kafka = Kafka(stack.brokers)
    subprocess.run(
        ["kcat", "-b", stack.brokers, "-P", "-t", "made-by-accident", "-X", "message.timeout.ms=2000"],
        input=b"x",
        capture_output=True,
        timeout=60,
    )
    assert "made-by-accident" not in kafka.topics()


def test_starting_twice_is_harmless_and_a_taken_port_is_refused(stack):
    before = stack.kafka_pid(), stack.postgres_pid()
    stack.up()
    assert (stack.kafka_pid(), stack.postgres_pid()) == before
    other = Stack()
    for script, port in (("kafka.sh", stack.kafka_port), ("postgres.sh", stack.postgres_port)):
        ended = subprocess.run(
            [SCRIPTS / script, "start", other.directory, str(port)], capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 1
        assert f"port {port} is taken" in ended.stderr
    other.discard()


def test_a_restart_keeps_what_was_stored(mortal_stack):
    kafka, sql = Kafka(mortal_stack.brokers), Sql(mortal_stack.postgres())
    kafka.create_topic("restarted", 2)
    kafka.produce("restarted", [b"one", b"two"], partition=1)
    sql.run("CREATE TABLE restarted AS SELECT 42 AS answer")
    mortal_stack.down()
    mortal_stack.up()
    assert [record.value() for record in Kafka(mortal_stack.brokers).records("restarted")] == [b"one", b"two"]
    assert sql.value("SELECT answer FROM restarted") == 42


def test_kill_9_keeps_what_was_acknowledged(mortal_stack):
    kafka, sql = Kafka(mortal_stack.brokers), Sql(mortal_stack.postgres())
    kafka.create_topic("killed")
    kafka.produce("killed", [b"%d" % number for number in range(1000)])
    sql.run("CREATE TABLE killed AS SELECT 42 AS answer")
    mortal_stack.kill()
    mortal_stack.up()
    assert len(Kafka(mortal_stack.brokers).records("killed")) == 1000
    assert sql.value("SELECT answer FROM killed") == 42


def test_stopping_leaves_no_process_and_no_port(mortal_stack):
    pids = mortal_stack.kafka_pid(), mortal_stack.postgres_pid()
    mortal_stack.down()
    for pid in pids:
        assert not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read().rpartition(")")[2]
    mortal_stack.down()  # nothing to stop is no failure


def test_a_folder_that_the_database_cannot_reach_is_no_obstacle():
    """A checkout under /root: its parents are closed to the user that PostgreSQL runs as."""
    if os.geteuid() != 0:
        pytest.skip("an ordinary user runs the database itself")
    servers = Stack()
    servers.directory.chmod(0o700)
    inner = servers.directory / "inner"
    port = free_port()
    environment = os.environ | {"PATH": os.environ["PATH"]}
    try:
        for _ in range(2):
            subprocess.run([SCRIPTS / "postgres.sh", "start", inner, str(port)], check=True, env=environment, timeout=60)
            sql = Sql(f"host=127.0.0.1 port={port} user=daybook dbname=daybook")
            sql.run("CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS answer")
            assert sql.value("SELECT answer FROM kept") == 42
            subprocess.run([SCRIPTS / "postgres.sh", "stop", inner], check=True, env=environment, timeout=60)
    finally:
        subprocess.run([SCRIPTS / "postgres.sh", "stop", inner], env=environment, timeout=60)
        location = (inner / "postgres.location").read_text().strip()
        assert location.startswith("/var/lib/daybook/postgres.")
        subprocess.run(["rm", "-rf", location], check=True)
        servers.discard()
