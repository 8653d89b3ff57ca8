"""The program under test: one installation with topics, a database, a provider's double and a folder of its own."""

import itertools
import os
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

from . import access
from .access import KEY
from .authority import NOBODY, trusting
from .client import Client
from .kafka import Kafka
from .ports import free_port
from .processes import Process, clean_environment
from .sql import Sql
from .stack import ROOT
from .waiting import wait_until

BINARY = Path(os.environ.get("DAYBOOK_TEST_BINARY", ROOT / "build" / "release" / "daybook"))

# Tests and measurements come from one address, and are many clients all the same.
UNLIMITED = {"limits": "off", "http_connections_per_address": 0, "http_event_streams_per_address": 0}

# Of what a front must know that is no developer's: as many as it asks for, and none that a test takes.
KNOWN_PASSWORDS = "".join(f"known password {number}\n" for number in range(3000))

VIEWS = ("products", "stock", "carts", "orders", "payments", "customers", "keys", "sales", "categories")

_numbers = itertools.count(1)


@contextmanager
def _beside(work, *arguments):
    """What Kafka does, while PostgreSQL is asked for something in the block. It must not start a process that stays:
    Process's children end with the thread that made them."""
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(work, *arguments)
        yield
        done.result()


def metrics_of(page, verify=NOBODY):
    """What the process that serves this page tells, by name and labels."""
    figures = Counter()
    for line in httpx.get(f"{page}/metrics", timeout=10, verify=verify, auth=KEY).text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            figures[name] += float(value)
    return figures


class Daybook:
    """Installations on one stack do not see each other: topics, groups, transactional ids and the database are named
    after the installation.

    `roles` are those that the service has, separated by commas, if not all. `settings` are those of config.def, by their names there: Daybook(stack, http_threads=2). `binary` is the one that
    serves. With `ca`, the file of the authority of its certificate, it is spoken to over TLS.

    Fronts are open unless it is said otherwise (access.py): one that is closed has an admin's key, and who asks it through the harness
    brings that.

    Root may not serve without `development`: where root runs the tests, `user` serves then, with a copy of the program that he
    can reach.
    """

    def __init__(self, stack, name="test", provider_arguments=(), binary=BINARY, roles=None, ca=None, **settings):
        self.stack = stack
        self.scheme, self.verify = ("https", trusting(ca)) if ca else ("http", NOBODY)
        self.name = f"{name}_{os.getpid()}_{next(_numbers)}"
        self.directory = Path(tempfile.mkdtemp(prefix="daybook-test-"))
        self.port = free_port()
        self.pages = [self.url]  # of the processes whose metrics count
        self.provider_port = free_port()
        self.kafka = Kafka(stack.brokers, stack.client_settings())
        self.sql = Sql(stack.postgres(self.name))
        self.settings = {
            "kafka_brokers": stack.brokers,
            "topic_prefix": self.name,
            "postgres": stack.postgres(self.name),
            "http_port": self.port,
            "handler_name": self.name,
            "data_dir": self.directory / "data",
            "secret_file": self.directory / "secret",
            "master_key_file": self.directory / "master",
            "development": "true",
            "staff_second_factor": "optional",  # test_second_factor.py has it required
            "provider_url": self.provider_url,
            **UNLIMITED,
        } | settings
        if self.settings["development"] != "true" and "password_list" not in self.settings:
            self.settings["password_list"] = self.directory / "passwords"
            self.settings["password_list"].write_text(KNOWN_PASSWORDS)
        self.settings["access"], self.has_key = access.of(self.settings)
        self._key, self._making_key = None, threading.Lock()
        self.add_front(self.port)
        is_refused = os.geteuid() == 0 and self.settings["development"] != "true"
        self.user = "nobody" if is_refused else None
        self.roles = roles
        self.views = VIEWS if roles is None or "projector" in roles else ()  # those that the service keeps
        if self.user is not None:
            binary = shutil.copy(binary, self.directory / "daybook")
        serve = [binary, "serve", *(["--role", roles] if roles else [])]
        self.service = Process("daybook serve", serve, self.directory / "serve.log", self.environment(), self.user)
        self.provider = Process(
            "daybook test-provider",
            [
                BINARY,
                "test-provider",
                "--port",
                self.provider_port,
                "--ledger",
                self.directory / "ledger",
                "--webhook-url",
                f"{self.url}/v1/webhooks/test",
                *provider_arguments,
            ],
            self.directory / "provider.log",
            self.environment(),
        )

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def provider_url(self):
        return f"http://127.0.0.1:{self.provider_port}"

    def environment(self, more=None):
        settings = self.settings | (more or {})
        home = {} if self.user is None else {"HOME": str(self.directory)}
        return home | {f"DAYBOOK_{name.upper()}": str(value) for name, value in settings.items()}

    def topic(self, family):
        return f"{self.name}.{family}"

    def client(self, **options):
        return Client(self.url, verify=self.verify, **options)

    def provider_client(self, **options):
        return Client(self.provider_url, **options)

    # ---- who asks -----------------------------------------------------------------------------------------------------

    def add_front(self, port):
        """What is sent to that port is sent to this installation."""
        if self.has_key:
            access.front_of(self, port)

    def key(self):
        """The admin's, of a closed installation. It is made when it is first asked for; a handler has to run then."""
        with self._making_key:
            if self._key is None:
                self._key = self.run("people", "key", "tests", "--role", "admin").strip()
                wait_until(self._knows_key, "the front knowing the tests' key")
        return self._key

    def _knows_key(self):
        # A path that asks nothing of the database: who brings a key that is none is told so everywhere.
        headers = {"Authorization": f"Bearer {self._key}"}
        return httpx.get(f"{self.url}/openapi.json", headers=headers, timeout=5, verify=self.verify).status_code == 200

    def let_in(self):
        """Returns when who asks through the harness is let in."""
        if self.has_key:
            self.key()
            wait_until(self._knows_key, "the front knowing the tests' key")

    def headers(self):
        """What lets in whoever is no client of the harness."""
        return {"Authorization": f"Bearer {self.key()}"} if self.has_key else {}

    def header_lines(self):
        """The same, for a request that is written by hand: each ends in CR LF."""
        return "".join(f"{name}: {value}\r\n" for name, value in self.headers().items())

    def load_access(self):
        """The arguments by which `daybook load` is let in."""
        if not self.has_key:
            return ()
        file = self.directory / "load.key"
        file.touch(mode=0o600)
        file.write_text(self.key())
        return ("--bearer-file", file)

    def install(self):
        """Topics, the database and its tables."""
        with _beside(self.run, "topics", "create"):
            Sql(self.stack.postgres()).run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
            self.run("migrate")
        return self

    def start(self):
        """Provider and service; returns when the service is ready for requests."""
        if not self.provider.is_running():
            self.start_provider()
        self.give_to_user()
        self.service.start()
        self.service.wait_ready(self.is_ready)
        if self.roles is None:
            self.let_in()
        return self

    def give_to_user(self):
        """What is there by now belongs to whom the service runs as."""
        if self.user is not None:
            for path in (self.directory, *self.directory.rglob("*")):
                shutil.chown(path, self.user)

    def start_provider(self):
        self.provider.start()
        self.provider.wait_ready(self.provider_answers)

    def stop(self):
        """An orderly stop of the service; its exit code."""
        return self.service.stop()

    def kill(self):
        """kill -9 of the service."""
        self.service.kill()

    def restart(self):
        self.stop()
        return self.start()

    def is_ready(self):
        return httpx.get(f"{self.url}/health/ready", timeout=5, verify=self.verify).status_code == 200

    def provider_answers(self):
        # Any answer will do: that it listens is what matters.
        return httpx.get(f"{self.provider_url}/", timeout=5, verify=NOBODY).status_code > 0

    def metrics(self):
        """/metrics, each line's value by its name and labels; added up when several processes have it."""
        figures = Counter()
        for page in self.pages:
            figures.update(metrics_of(page, self.verify))
        return figures

    def views_have_seen_all(self):
        """Whether every view stands at the end of the log, and has set nothing aside."""
        figures = self.metrics()
        lags = [value for name, value in figures.items() if name.startswith("daybook_projection_lag_events{")]
        parked = [value for name, value in figures.items() if name.startswith("daybook_projection_parked{")]
        return len(lags) == len(self.views) and not any(lags) and not any(parked)

    def compare_views(self, seconds=120.0, binary=BINARY):
        """Each view rebuilt beside the live one, which must equal it."""
        for view in VIEWS:
            self.run("projection", "compare", view, seconds=seconds, binary=binary)

    def ended(self, arguments, seconds, binary=BINARY, more=None):
        """A subcommand that has come to its end, whatever that was; with `more` settings."""
        return subprocess.run(
            [binary, *map(str, arguments)],
            env=clean_environment(self.environment(more)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def run(self, *arguments, expect=0, seconds=60.0, binary=BINARY):
        """A subcommand to its end; its standard output. `expect` is its exit code, None for any."""
        ended = self.ended(arguments, seconds, binary)
        assert expect is None or ended.returncode == expect, (
            f"daybook {' '.join(map(str, arguments))} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        )
        return ended.stdout

    def refusal(self, *arguments, code=2, seconds=60.0, binary=BINARY):
        """What a subcommand that must end with this exit code says on standard error."""
        ended = self.ended(arguments, seconds, binary)
        assert ended.returncode == code, f"{arguments} ended with {ended.returncode}: {ended.stdout}{ended.stderr}"
        return ended.stderr

    @contextmanager
    def running(self, *arguments):
        """A subcommand that is under way; it is killed at the end if it has not ended."""
        log = self.directory / f"{arguments[0]}.{next(_numbers)}.log"
        process = Process(" ".join(arguments), [BINARY, *arguments], log, self.environment()).start()
        try:
            yield process
        finally:
            process.kill()

    def discard(self):
        """Stops what runs and removes all that it left behind."""
        access.forget(self)
        try:
            self.service.stop()
        finally:
            self.provider.stop()
        with _beside(self.kafka.delete_topics, f"{self.name}."):
            self.drop_database(self.name)
        shutil.rmtree(self.directory)

    def drop_database(self, name):
        wait_until(lambda: self._is_database_gone(name), f"the end of database {name}", 120)

    def _is_database_gone(self, name):
        drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
        database = Sql(self.stack.postgres())
        try:
            database.run(drop + sql.SQL(" WITH (FORCE)"))
        except psycopg.errors.InsufficientPrivilege:
            # FORCE stops at a worker of autovacuum, which is nobody's to end. Without it PostgreSQL sends those away itself.
            database.run(drop)
        return True
