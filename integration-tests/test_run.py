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
            "DAYBOOK_LOCAL_MAIL_PORT": free_port(),
        }
        self.environment = {name: str(port) for name, port in self.ports.items()}
        self.environment["DAYBOOK_LOCAL_VAR"] = str(self.folder)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.ports['DAYBOOK_HTTP_PORT']}"

    def readme(self, title, number=0):
        """README's lines, for this run's ports and folder."""
        lines = readme.block(title, number)
        places = {
            "https://127.0.0.1:8443": self.url,
            "127.0.0.1:19092": self.brokers,
            "var/daybook/tls": f"{self.folder}/daybook/tls",
            "var/mail": f"{self.folder}/mail",
        }
        for place, own in places.items():
            lines = lines.replace(place, own)
        return lines

    @property
    def by_hand(self):
        """What README's lines of a purchase begin with: functions, and who is spoken to."""
        beginnings = ("key() ", "curl() ", "json=", "url=", "member() ")
        lines = [line for line in self.readme("A purchase, by hand").splitlines() if line.startswith(beginnings)]
        assert len(lines) == len(beginnings)
        return "\n".join(lines) + "\n"

    @property
    def brokers(self):
        return f"127.0.0.1:{self.ports['DAYBOOK_LOCAL_KAFKA_PORT']}"

    @property
    def postgres(self):
        return (
            f"host=127.0.0.1 port={self.ports['DAYBOOK_LOCAL_POSTGRES_PORT']} user=daybook dbname=daybook"
            f" sslmode=verify-full sslrootcert={self.folder}/daybook/tls/ca.pem passfile={self.folder}/pgpass"
        )

    def start(self, name, *command, **more):
        """Returns when it has said where to go next; `more` are settings."""
        log = self.folder / f"{name.replace(' ', '-')}.log"
        process = Process(name, command, log, self.environment | {f"DAYBOOK_{key}": value for key, value in more.items()})
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
    lines = [line.strip() for line in log.splitlines() if re.match(r"  (curl|cart=|token=|order=)", line)]
    assert len(lines) == 5, log
    guest, side = shell("\n".join([*lines[:4], 'echo "$token"']), run)
    order = assert_bought(side)
    # The view follows the log a moment later; a reader presses the up arrow.
    look = f"{lines[0]}\norder={order['id']}\ntoken='{guest.strip()}'\n{lines[4]}"
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
    guest, side = shell("\n".join([*purchase, 'echo "$guest"']), run)
    order = assert_bought(side)
    name = f"{run.by_hand}order={order['id']}\nguest='{guest.strip()}'\n"
    wait_until(lambda: json.loads(shell(name + look, run)[0]) == order, "the order to be seen")
    told = json.loads(shell(name + history, run)[0])
    types = [event["type"] for event in told["items"]]
    assert [one for one in types if one != "OrderMailed"][-1] == "OrderConfirmed"  # its mail goes out meanwhile
    events = run.readme("Its events")
    assert run.brokers in events
    out, _ = shell(f"set -e\norder={order['id']}\n{events}", run)
    assert f"ce_subject={order['id']}" in out
    assert "sound: 0 violations" in out


def test_the_front_asks_who_comes_and_has_its_limits(run, running):
    trust = f"--cacert {run.folder}/daybook/tls/ca.pem"
    answer, _ = shell(f"curl -s {trust} -X POST {run.url}/v1/products -d '{{}}' -H 'Content-Type: application/json'", run)
    assert json.loads(answer)["code"] == "unauthenticated"
    fields, _ = shell(f"curl -s {trust} -o /dev/null -D - {run.url}/v1/products", run)
    assert "ratelimit-policy: " in fields.lower()


def test_the_catalogue_came_in_by_a_key_that_nobody_has_any_more(run, running):
    assert not (run.folder / "daybook" / "seed.key").exists()
    keys = wait_until(lambda: Sql(run.postgres).rows("SELECT name, roles FROM keys.keys WHERE status = 'revoked'"), "the view")
    assert [(key["name"], key["roles"]) for key in keys] == [("seed", ["admin"])]
    assert Sql(run.postgres).value("SELECT count(*) FROM keys.keys WHERE status = 'active'") == 0


def test_readmes_people_work_when_pasted(run, running):
    """An admin with a password of his own, goods of his, and a shopper whose orders are hers."""
    (once,) = re.findall(r"^  once=(\w{20})$", running.log(), re.MULTILINE)
    admins = run.readme("People, by hand").replace("once=PASSWORD", f"once={once}")
    assert once in admins
    out, side = shell(f"{run.by_hand}{admins}", run)
    (product,) = documents(side)
    changed, published, stock = documents(out)
    assert (changed["status"], product["status"], published["status"]) == ("active", "draft", "published")
    assert (published["id"], stock["available"]) == (product["id"], 25)
    # What was shown once opens nothing more.
    refused = "curl -s $url/v1/sessions -H \"$json\" -d '{\"email\":\"admin@daybook.example\",\"password\":\"" + once + "\"}'"
    assert json.loads(shell(f"{run.by_hand}{refused}", run)[0])["code"] == "invalid_credentials"
    (mine,) = re.findall(r"^mine=.*$", admins, re.MULTILINE)
    *shoppers, orders = run.readme("People, by hand", 1).strip().splitlines()
    out, side = shell("\n".join([run.by_hand, mine, *shoppers, 'echo; echo "$ada"']), run)
    registered, proved = documents(side)
    assert (registered["status"], proved["status"]) == ("unverified", "active")
    (order,) = documents(out)
    assert (order["status"], order["customer"]) == ("confirmed", registered["id"])
    look = f"{run.by_hand}ada='{out.strip().splitlines()[-1]}'\n{orders}"
    found = wait_until(lambda: json.loads(shell(look, run)[0])["items"], "her order to be seen")
    assert [one["id"] for one in found] == [order["id"]]


def sales_by_week(folder):
    """In dollars, from what was sent and the data set's weeks."""
    prices, weeks = {}, Counter()
    for product in map(json.loads, (folder / "products.jsonl").read_text().splitlines()):
        prices |= {variant["sku"]: variant["price"]["amount"] for variant in product["variants"]}
    of = dict(duckdb.sql(f"SELECT DISTINCT CAST(basket_id AS VARCHAR), week FROM '{data_dir()}/transactions.parquet'").fetchall())
    for basket in map(json.loads, (folder / "baskets.jsonl").read_text().splitlines()):
        weeks[of[basket["reference"]]] += sum(prices[line["sku"]] * line["quantity"] for line in basket["lines"])
    return [(week, cents / 100) for week, cents in sorted(weeks.items())]


@pytest.fixture(scope="module")
def cart(run, running):
    """What was stored before the first run was stopped: a cart, and its token."""
    opened, _ = shell(f'{run.by_hand}curl -s $url/v1/carts -H "$json" -d \'{{"currency":"EUR"}}\'', run)
    return json.loads(opened)


@pytest.fixture(scope="module")
def again(run, running, cart):
    """The next run, in which one address may send as much as it likes; it ends by SIGTERM."""
    os.killpg(running.pid, signal.SIGINT)
    running.wait(90)
    assert not run.what_is_left()
    process = run.start("run.sh", ROOT / "deploy" / "local" / "run.sh", LIMITS="off")
    try:
        yield process
    finally:
        assert process.stop(90) == 0


def test_after_ctrl_c_the_next_run_goes_on_with_what_was_stored(run, again, cart):
    assert "the catalogue is there already" in again.log()
    look = f'{run.by_hand}curl -s $url/v1/carts/{cart["id"]} -H "Daybook-Cart-Token: {cart["token"]}"'
    wait_until(lambda: json.loads(shell(look, run)[0])["id"] == cart["id"], "the cart of the run before")


def test_the_first_admins_password_is_shown_once_and_he_may_have_another(run, running, again):
    assert not re.search(r"^  once=", again.log(), re.MULTILINE)
    (another,) = re.findall(r"^Another one for him: (.*)$", again.log(), re.MULTILINE)
    once, said = shell(another, run)
    assert re.fullmatch(r"\w{20}\n", once) and once.strip() not in running.log(), said


@pytest.mark.slow
def test_readmes_tour_goes_from_nothing_to_a_chart_of_sales_per_week(run, again, tmp_path):
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
