"""`make run` as a newcomer meets it: what it prints works when pasted, README's blocks too, and Ctrl-C leaves nothing."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from harness import readme
from harness.ports import free_port, is_free
from harness.processes import Process
from harness.sql import Sql
from harness.stack import ROOT
from harness.waiting import wait_until
from retail.dataset import data_dir

LAST_LINE = "Ctrl-C stops everything"
READY_WITHIN_S = 150.0

pytestmark = pytest.mark.timeout(400)


class Run:
    """`make run` on free ports, with a folder of its own: one that runs by hand in this checkout is not disturbed."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="daybook-run-"))
        self.folder.chmod(0o711)  # PostgreSQL's user has to reach its own folder in here
        self.ports = {
            "DAYBOOK_HTTP_PORT": free_port(),
            "DAYBOOK_LOCAL_KAFKA_PORT": free_port(neighbours=1),
            "DAYBOOK_LOCAL_POSTGRES_PORT": free_port(),
            "DAYBOOK_LOCAL_PROVIDER_PORT": free_port(),
        }
        self.environment = {name: str(port) for name, port in self.ports.items()}
        self.environment["DAYBOOK_LOCAL_VAR"] = str(self.folder)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.ports['DAYBOOK_HTTP_PORT']}"

    def readme(self, title, language=""):
        """README's lines, for this run's ports and folder."""
        lines = readme.block(title, language=language)
        places = {
            "https://127.0.0.1:8443": self.url,
            "127.0.0.1:19092": self.brokers,
            "var/daybook/tls": f"{self.folder}/daybook/tls",
        }
        for place, own in places.items():
            lines = lines.replace(place, own)
        return lines

    @property
    def trust(self):
        """The line by which README's curl trusts this run's authority."""
        (line,) = [line for line in self.readme("A purchase, by hand").splitlines() if line.startswith("curl() ")]
        return f"{line}\n"

    @property
    def brokers(self):
        return f"127.0.0.1:{self.ports['DAYBOOK_LOCAL_KAFKA_PORT']}"

    @property
    def postgres(self):
        return (
            f"host=127.0.0.1 port={self.ports['DAYBOOK_LOCAL_POSTGRES_PORT']} user=daybook dbname=daybook"
            f" sslmode=verify-full sslrootcert={self.folder}/daybook/tls/ca.pem passfile={self.folder}/pgpass"
        )

    def start(self, name, *command):
        """Returns when it has said where to go next."""
        process = Process(name, command, self.folder / f"{name.replace(' ', '-')}.log", self.environment)
        process.start(new_session=True)
        process.wait_ready(lambda: LAST_LINE in process.log(), READY_WITHIN_S)
        return process

    def what_is_left(self):
        """Every process that was given our folder, whoever started it, and every port that is still listened on."""
        found = [f"port {port}" for port in self.ports.values() if not is_free(port)]
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.folder).encode() in (folder / "environ").read_bytes():
                    found.append(f"{folder.name}: {(folder / 'cmdline').read_bytes()}")
            except OSError:
                pass  # it has ended, or is another user's
        return found


@pytest.fixture(scope="module")
def run():
    made = Run()
    yield made
    assert not made.what_is_left()
    shutil.rmtree(made.folder)


@pytest.fixture(scope="module")
def running(run):
    process = run.start("make run", "make", "--no-print-directory", "-C", ROOT, "run")
    try:
        yield process
    finally:
        # Ctrl-C at a terminal: the whole foreground group gets it.
        if process.is_running():
            os.killpg(process.pid, signal.SIGINT)
            process.wait(90)


def shell(script, run, folder=ROOT):
    """As pasted into a terminal; what it printed and what it said on the side."""
    environment = os.environ | {"DAYBOOK_KAFKA_BROKERS": run.brokers, "DAYBOOK_POSTGRES": run.postgres}
    ended = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, f"{script}\n{ended.stdout}{ended.stderr}"
    return ended.stdout, ended.stderr


def documents(text):
    """The JSON documents that stand in the text, one after another."""
    decoder, found, at = json.JSONDecoder(), [], text.find("{")
    while at >= 0:
        document, end = decoder.raw_decode(text, at)
        found.append(document)
        at = text.find("{", end)
    return found


def assert_bought(opened_and_paid):
    cart, order = documents(opened_and_paid)
    assert cart["status"] == "open"
    assert (order["status"], order["cart"]) == ("confirmed", cart["id"])
    return order


def test_the_printed_lines_buy_something_and_show_it(run, running):
    log = running.log()
    lines = [line.strip() for line in log.splitlines() if re.match(r"  (curl|cart=|order=)", line)]
    assert len(lines) == 4, log
    _, side = shell("\n".join(lines[:3]), run)
    order = assert_bought(side)
    # The view follows the log a moment later; a reader presses the up arrow.
    look = f"{lines[0]}\norder={order['id']}\n{lines[3]}"
    wait_until(lambda: json.loads(shell(look, run)[0])["status"] == "confirmed", "the order to be seen")
    (events,) = re.findall(r"Its events: (.*)", log)
    assert f"ce_subject={order['id']}" in shell(events, run)[0]
    (story,) = re.findall(r"Its story:  (.*)", log)
    assert "OrderConfirmed" in shell(f"order={order['id']}\n{story}", run)[0]
    (tables,) = re.findall(r"Its tables: (.*)", log)
    seen, _ = shell(f"{tables} -Atc \"SELECT status FROM orders.orders WHERE id = '{order['id']}'\"", run)
    assert seen == "confirmed\n"


def test_readmes_purchase_works_when_pasted_and_so_do_the_questions_after_it(run, running):
    block = run.readme("A purchase, by hand")
    assert run.url in block
    *purchase, look, history = block.strip().splitlines()
    _, side = shell("\n".join(purchase), run)
    order = assert_bought(side)
    name = f"{run.trust}url={run.url}\norder={order['id']}\n"
    wait_until(lambda: json.loads(shell(name + look, run)[0]) == order, "the order to be seen")
    told = json.loads(shell(name + history, run)[0])
    assert [event["type"] for event in told["items"]][-1] == "OrderConfirmed"
    events = run.readme("Its events")
    assert run.brokers in events
    out, _ = shell(f"set -e\norder={order['id']}\n{events}", run)
    assert f"ce_subject={order['id']}" in out
    assert "sound: 0 violations" in out


def sales_by_week(folder):
    """In dollars, from what was sent and the data set's weeks."""
    prices, weeks = {}, Counter()
    for product in map(json.loads, (folder / "products.jsonl").read_text().splitlines()):
        prices |= {variant["sku"]: variant["price"]["amount"] for variant in product["variants"]}
    of = dict(duckdb.sql(f"SELECT DISTINCT CAST(basket_id AS VARCHAR), week FROM '{data_dir()}/transactions.parquet'").fetchall())
    for basket in map(json.loads, (folder / "baskets.jsonl").read_text().splitlines()):
        weeks[of[basket["reference"]]] += sum(prices[line["sku"]] * line["quantity"] for line in basket["lines"])
    return [(week, cents / 100) for week, cents in sorted(weeks.items())]


@pytest.mark.slow
def test_readmes_tour_goes_from_nothing_to_a_chart_of_sales_per_week(run, running, tmp_path):
    # Where build/ is the test's own.
    for name in ("var", "integration-tests", "build/release"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    lines = run.readme("Sales per week").replace("--sample 2000", "--sample 200")
    assert "--sample 200\n" in lines
    *load, export = lines.strip().splitlines()
    shell("set -e\n" + "\n".join(load), run, tmp_path)
    baskets = len((tmp_path / "build" / "year" / "baskets.jsonl").read_text().splitlines())
    seen = "SELECT count(*) FROM orders.orders WHERE status = 'confirmed' AND reference <> ''"
    wait_until(lambda: Sql(run.postgres).value(seen) == baskets, "the view of orders")
    shell(export, run, tmp_path)
    chart = readme.block("Sales per week", language="python")
    assert len(chart.splitlines()) <= 10
    drawn = subprocess.run(
        [tmp_path / "var" / "venv" / "bin" / "python", "-c", f"{chart}print(weeks)"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert drawn.returncode == 0, drawn.stderr
    assert ast.literal_eval(drawn.stdout) == sales_by_week(tmp_path / "build" / "year")
    assert "<svg" in (tmp_path / "build" / "sales.svg").read_text()


def test_ctrl_c_stops_everything_and_the_next_run_goes_on_with_what_was_stored(run, running):
    opened, _ = shell(f"{run.trust}curl -s {run.url}/v1/carts -H 'Content-Type: application/json' -d '{{\"currency\":\"EUR\"}}'", run)
    cart = json.loads(opened)["id"]
    os.killpg(running.pid, signal.SIGINT)
    running.wait(90)
    assert not run.what_is_left()
    again = run.start("run.sh", ROOT / "deploy" / "local" / "run.sh")
    try:
        assert "the catalogue is there already" in again.log()
        look = f"{run.trust}curl -s {run.url}/v1/carts/{cart}"
        wait_until(lambda: json.loads(shell(look, run)[0])["id"] == cart, "the cart of the run before")
    finally:
        assert again.stop(90) == 0  # by SIGTERM
    assert not run.what_is_left()
