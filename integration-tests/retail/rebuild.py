"""All read models rebuilt from the beginning of the log, at once, while somebody asks the front for what they hold."""

import itertools
import subprocess
import threading
import time

import httpx
from harness.access import KEY
from harness.daybook import BINARY, VIEWS, Daybook
from harness.processes import clean_environment

THINGS = 1000  # of each kind are asked for
PAUSE_S = 0.01
REBUILT_WITHIN_S = 1800


class Asker:
    """One client that asks for one thing after the other until the block ends; each must be answered 200."""

    def __init__(self, daybook: Daybook):
        self.url = daybook.url
        kinds = (
            "SELECT '/v1/orders/' || id AS path FROM orders.orders LIMIT %s",
            "SELECT '/v1/stock/' || sku AS path FROM stock.stock LIMIT %s",
            "SELECT '/v1/products/' || id AS path FROM products.products LIMIT %s",
        )
        paths = [[row["path"] for row in daybook.sql.rows(select, (THINGS,))] for select in kinds]
        self.paths = itertools.cycle([path for three in zip(*paths) for path in three] + ["/v1/orders?limit=20"])
        self.took_ms: list[float] = []
        self.refused: list[str] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30, auth=KEY) as client:
            while not self._is_over.wait(PAUSE_S):
                path = next(self.paths)
                began = time.perf_counter()
                try:
                    answer = client.get(path)
                    told = "" if answer.status_code == 200 else f"{path}: {answer.status_code} {answer.text}"
                except httpx.HTTPError as error:
                    told = f"{path}: {error!r}"
                self.took_ms.append(1000 * (time.perf_counter() - began))
                self.refused += [told] if told else []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def p99_ms(self) -> float:
        took = sorted(self.took_ms)
        return took[int(len(took) * 0.99)]


def rebuild_all(daybook: Daybook) -> tuple[float, float]:
    """The seconds it took, and the p99 in ms of what the front answered meanwhile. What was rebuilt is left beside the
    live ones."""
    environment = clean_environment(daybook.environment())
    with Asker(daybook) as asker:
        began = time.monotonic()
        rebuilds = [subprocess.Popen([BINARY, "projection", "rebuild", view], env=environment) for view in VIEWS]
        codes = [rebuild.wait(REBUILT_WITHIN_S) for rebuild in rebuilds]
        took_s = time.monotonic() - began
    if any(codes) or asker.refused or not asker.took_ms:
        raise SystemExit(f"rebuilds ended with {codes}; not answered: {asker.refused[:10]}")
    return took_s, asker.p99_ms()
