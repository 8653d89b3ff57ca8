"""Roles of one installation in processes of their own, each with a port of its own for its operator's pages."""

import shutil

import httpx

from .daybook import BINARY
from .ports import free_port
from .processes import Process


class RoleProcess(Process):
    """`name` tells it from others of its roles: it names its folder, and a handler's producers."""

    def __init__(self, daybook, roles, name):
        self.data_dir = daybook.directory / f"data-{name}"
        has_front = "gateway" in roles.split(",")
        port = daybook.port if has_front else free_port()
        self.url = f"http://127.0.0.1:{port}"
        own = {"DAYBOOK_HANDLER_NAME": f"{daybook.name}-{name}", "DAYBOOK_DATA_DIR": str(self.data_dir)}
        if not has_front:
            own["DAYBOOK_ADMIN_PORT"] = str(port)
        command = [BINARY, "serve", "--role", roles]
        super().__init__(name, command, daybook.directory / f"{name}.log", daybook.environment() | own)

    def start_ready(self):
        self.start()
        self.wait_ready(lambda: httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200)
        return self

    def lose_store(self):
        """What it kept of the log is gone, as with its disk."""
        assert not self.is_running()
        shutil.rmtree(self.data_dir)
