"""An installation whose roles run in processes of their own, each with pages for its operator."""

import json
import shutil
import signal
from contextlib import contextmanager

import httpx

from .access import KEY
from .authority import NOBODY
from .daybook import BINARY, Daybook
from .kafka_proxy import KafkaProxy
from .ports import free_port
from .processes import Process
from .stack import Stack
from .waiting import wait_until


@contextmanager
def installed_apart(stack, name, handlers=("handler",), roles=None, gateways=("gateway",), **settings):
    """A new installation on these servers with its roles apart, none running yet; all is removed at the end."""
    daybook = Daybook(stack, name=name, **settings)
    try:
        split = SplitRoles(daybook.install(), handlers, roles, gateways)
        try:
            yield split
        finally:
            split.stop()
    finally:
        daybook.discard()


@contextmanager
def installed_behind_proxy(name, handlers=("handler",), **settings):
    """The same on servers of its own; the first handler reaches the broker through `proxy`, which knows what it sends."""
    behind = handlers[0]
    servers = Stack(proxied=(behind,))
    try:
        servers.up()
        proxy_port, broker_port = servers.link_ports(behind)
        own = {behind: {"kafka_brokers": f"127.0.0.1:{proxy_port}"}}
        with KafkaProxy(proxy_port, broker_port) as proxy:
            with installed_apart(servers, name, handlers, own, **settings) as split:
                split.proxy = proxy
                yield split
        assert not proxy.complaints, proxy.complaints
    finally:
        servers.discard()


class RoleProcess(Process):
    """One or more roles ("gateway,connector"). `name` tells it from others of the same: it names its folder, and a
    handler's producers. `settings` are more settings of this process alone. A front has the installation's own port, unless
    it is given another."""

    def __init__(self, daybook, roles, name, settings=None, port=None):
        has_front = "gateway" in roles.split(",")
        self.port = port or (daybook.port if has_front else free_port())
        if has_front:
            daybook.add_front(self.port)
        self.data_dir = daybook.directory / name
        own = {"handler_name": f"{daybook.name}_{name}", "data_dir": self.data_dir}
        own["http_port" if has_front else "admin_port"] = self.port
        command = [BINARY, "serve", "--role", roles]
        environment = daybook.environment(own | (settings or {}))
        super().__init__(name, command, daybook.directory / f"{name}.log", environment)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path):
        return httpx.get(f"{self.url}{path}", timeout=5, verify=NOBODY, auth=KEY)

    def is_ready(self):
        return self.get("/health/ready").status_code == 200

    def start_ready(self):
        self.start()
        self.wait_ready(self.is_ready)
        return self

    def lose_store(self):
        """What it kept of the log is gone, as with its disk."""
        assert not self.is_running()
        shutil.rmtree(self.data_dir)


class SplitRoles:
    """Projector and connector once, gateways and handlers as many as named.

    `handlers` are names; each is a handler_name and has a folder. The first of the `gateways` has the installation's own port.
    `settings` are more settings by process: the role, or the handler's name. The installation's own metrics are from then on
    those of all processes together.
    """

    def __init__(self, daybook: Daybook, handlers=("handler",), settings=None, gateways=("gateway",)):
        self.daybook = daybook
        self.settings = settings or {}
        self.processes = {}
        self.handlers = list(handlers)
        self.gateways = list(gateways)
        for name in (*gateways, *handlers, "projector", "connector"):
            self.add(name)
        self.count_pages()

    def add(self, name):
        """A process that is not running yet; what is no other role's name is a handler's."""
        role = "gateway" if name in self.gateways else name if name in ("projector", "connector") else "handler"
        port = free_port() if name in self.gateways[1:] else None
        self.processes[name] = RoleProcess(self.daybook, role, name, self.settings.get(name), port)
        return self.processes[name]

    def count_pages(self, *names):
        """The installation's metrics are those of the processes named, or of all."""
        self.daybook.pages = [self.processes[name].url for name in names or self.processes]

    def __getitem__(self, name):
        return self.processes[name]

    def start(self, *names):
        """Those named, or all; returns when each is ready, and when all are, the tests' key is known. The provider runs from then on."""
        if not self.daybook.provider.is_running():
            self.daybook.start_provider()
        for name in names or self.processes:
            self.processes[name].start()
        for name in names or self.processes:
            self.processes[name].wait_ready(self.processes[name].is_ready)
        if not names:
            self.daybook.let_in()
        return self

    def takeovers(self, name):
        """What a handler's log says of the shards that it took over, oldest first."""
        process = self.processes[name]
        lines = process.log().splitlines() if process.log_path.exists() else []
        return [json.loads(line) for line in lines if '"shard taken over"' in line]

    def active_shards(self, name):
        """How many shards a handler decides on at the moment; 0 when it does not answer."""
        try:
            page = self.processes[name].get("/metrics").text
        except httpx.HTTPError:
            return 0
        values = [line.split()[1] for line in page.splitlines() if line.startswith("daybook_handler_shards_active ")]
        return sum(int(float(value)) for value in values)

    def shares(self):
        """The shards of each handler that runs."""
        return {name: self.active_shards(name) for name in self.handlers if self.processes[name].is_running()}

    def wait_shared_out(self, seconds=60.0):
        """Until each handler has shards, and all together have all: groups take a while to agree."""
        shards = self.daybook.settings.get("shards", 4)

        def shared_out():
            active = [self.active_shards(name) for name in self.handlers]
            return sum(active) == shards and all(active)

        wait_until(shared_out, f"{self.handlers} sharing {shards} shards", seconds, pause=0.1)

    def stop(self):
        """Orderly; the exit codes of those that ran."""
        running = {name: process for name, process in self.processes.items() if process.is_running()}
        for process in running.values():
            process.signal(signal.SIGCONT)
        return {name: process.stop() for name, process in running.items()}

    def kill(self):
        for process in self.processes.values():
            process.kill()
