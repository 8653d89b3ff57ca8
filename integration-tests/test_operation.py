"""What an operator meets: settings that are not those of the installation, a shard that stands still, roles in processes
of their own."""

import shutil
import subprocess

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from harness.authority import NOBODY
from harness.daybook import BINARY
from harness.ports import free_port
from harness.processes import Process, clean_environment
from harness.roles import SplitRoles
from harness.shop import Shop
from harness.waiting import wait_until


def run(*arguments, **settings):
    """A subcommand without an installation: its exit code and what it says."""
    environment = {f"DAYBOOK_{name.upper()}": str(value) for name, value in settings.items()}
    ended = subprocess.run(
        [BINARY, *map(str, arguments)],
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stdout + ended.stderr


# ---- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["serve", "--role", "gateway,gatway"], "there is no role 'gatway'; there are gateway, handler"),
        (["serve", "--rolle", "gateway"], "there is no option '--rolle'"),
        (["serve", "--config", "x"], "daybook --config FILE serve"),
        (["--config"], "--config needs a file"),
        (["load", "--foo", "x"], "there is no option '--foo'"),
        (["load", "x", "--closed"], "--closed needs a value"),
    ],
)
def test_a_wrong_word_is_named(arguments, said):
    code, text = run(*arguments)
    assert code == 2 and said in text, text


def test_a_log_level_that_does_not_exist_is_refused():
    code, text = run("config", log_level="verbose")
    assert code == 2 and "debug info warn error" in text and "'verbose'" in text


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"kafka_brokers": "kafka.example:9092"}, "kafka: the way to another machine"),
        ({"postgres": "host=db.example user=daybook"}, "postgres: the way to another machine"),
        ({"vault_postgres": "host=db.example sslmode=require"}, "sslmode=verify-full"),
        ({"provider_url": "http://payments.example"}, "provider: the way to another machine"),
        ({"admin_host": "0.0.0.0", "admin_port": 8081}, "admin: the way to another machine"),
        ({"http_host": "0.0.0.0", "trusted_proxies": "10.0.0.1"}, "front: the way to another machine"),
        ({"unprotected_links": "kafka database"}, "there is no 'database'"),
    ],
)
@pytest.mark.parametrize("command", [["topics", "check"], ["migrate"]], ids=" ".join)
def test_other_machines_are_not_spoken_to_in_the_clear(command, settings, said):
    code, text = run(*command, development="false", **settings)
    assert code == 2 and said in text, text
    assert run("config", development="false", **settings)[0] == 0  # what is wrong can be looked at


def test_a_printed_configuration_can_be_saved_and_given_again(tmp_path):
    code, text = run("config", provider_webhook_secret="hunter2", postgres="host=db password=hunter2", http_port=81)
    assert code == 0 and "hunter2" not in text
    saved = tmp_path / "daybook.conf"
    saved.write_text(text)
    code, again = run("--config", saved, "config", provider_webhook_secret="hunter2")
    assert code == 0 and "http_port = 81\n" in again
    code, said = run("config", provider_webhook_secret="(set)")
    assert code == 2 and "give the secret itself" in said


# ---- settings of another installation --------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [2, 8])
def test_another_number_of_shards_is_refused_with_both_numbers(daybook, shards):
    settings = daybook.settings | {"shards": shards, "http_port": free_port(), "handler_name": "stranger"}
    settings["data_dir"] = daybook.directory / "stranger"
    for arguments in (
        ["verify"],
        ["replay", "sku_ABC"],
        ["projection", "list"],
        ["projection", "compare", "stock"],
        ["shards"],
        ["serve"],
        ["serve", "--role", "projector"],
    ):
        code, text = run(*arguments, **settings)
        assert code == 2, (arguments, text)
        assert f"has 4 partitions, but the setting shards is {shards}" in text, (arguments, text)


def test_a_front_with_another_secret_is_refused(daybook):
    settings = daybook.settings | {"http_port": free_port(), "secret_file": daybook.directory / "another-secret"}
    code, text = run("serve", "--role", "gateway", **settings)
    assert code == 2 and "is not the one of this installation" in text, text
    shutil.copy(daybook.settings["secret_file"], settings["secret_file"])
    front = Process("second front", [BINARY, "serve", "--role", "gateway"], daybook.directory / "front.log")
    front.environment = {f"DAYBOOK_{name.upper()}": str(value) for name, value in settings.items()}
    front.start()
    front.wait_ready(lambda: httpx.get(f"http://127.0.0.1:{settings['http_port']}/health/ready").status_code == 200)
    assert front.stop() == 0


# ---- a shard that stands still ---------------------------------------------------------------------------------------


def shard_of(daybook, topic, key):
    """The partition in which the topic's newest record with this key stands, and that record."""
    found = [record for record in daybook.kafka.records(daybook.topic(topic)) if record.key() == key.encode()]
    return found[-1].partition(), found[-1]


def cart_elsewhere(daybook, shop, shard):
    """A cart that does not live on that shard."""
    while True:
        cart = shop.cart()["id"]
        if shard_of(daybook, "carts", cart.removeprefix("cart_"))[0] != shard:
            return cart


def readiness(daybook):
    return httpx.get(f"{daybook.url}/health/ready", timeout=5, verify=NOBODY)


def metric(daybook, name):
    page = httpx.get(f"{daybook.url}/metrics", timeout=5, verify=NOBODY).text
    return [line for line in page.splitlines() if line.startswith(name)]


def restart_with_a_stopped_shard(daybook, shard):
    """Starts the service and waits until it has looked at all shards: the one is stopped, the others are decided on."""
    daybook.service.start()
    daybook.service.wait_ready(lambda: readiness(daybook).status_code == 200)
    answer = readiness(daybook).json()
    assert [stopped["shard"] for stopped in answer["stopped_shards"]] == [shard]
    assert metric(daybook, "daybook_handler_shards_stopped ") == ["daybook_handler_shards_stopped 1"]
    assert metric(daybook, "daybook_handler_shards_active ") == ["daybook_handler_shards_active 3"]
    (named,) = metric(daybook, "daybook_handler_shard_stopped{")
    assert f'shard="{shard}"' in named
    return answer["stopped_shards"][0]["why"], named


def test_a_broken_history_stops_its_shard_and_nothing_else(new_daybook):
    daybook = new_daybook(command_wait_ms=1000)
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("tea", 500, 100)
        broken = shop.cart(("tea", 1))["id"]
        shard, record = shard_of(daybook, "carts", broken.removeprefix("cart_"))
        healthy = cart_elsewhere(daybook, shop, shard)
    daybook.stop()
    # An event twice: its version is not the next one.
    daybook.kafka.produce(daybook.topic("carts"), [record.value()], partition=shard, key=record.key())

    for _ in range(2):  # at every start anew
        why, named = restart_with_a_stopped_shard(daybook, shard)
        assert broken in why, why
        assert broken in named, named
        with daybook.client() as client:
            shop = Shop(client)
            answer = client.put(f"/v1/carts/{healthy}/lines/tea", {"quantity": 2})
            assert answer.status_code == 200, answer.text
            # Not lost and not a failure: it is undecided, and says so.
            waiting = client.put(f"/v1/carts/{broken}/lines/tea", {"quantity": 2})
            assert waiting.status_code == 202, waiting.text
            assert client.get(waiting.headers["Location"]).status_code == 202
            assert client.http.get(f"/v1/carts/{broken}").status_code == 200
        assert daybook.service.is_running()
        assert daybook.stop() == 0
    assert daybook.service.log().count("shard stopped") == 2


@pytest.mark.slow
def test_commands_of_a_stopped_shard_are_decided_once_its_offset_is_set(new_daybook):
    daybook = new_daybook(command_wait_ms=1000)
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("tea", 500, 100)
        cart = shop.cart(("tea", 1))["id"]
        shard, _ = shard_of(daybook, "carts", cart.removeprefix("cart_"))
    code, text = run("shards", "set", shard, 0, **daybook.settings)
    assert code == 2 and "handlers are at work" in text, text
    daybook.stop()
    rows = [line.split() for line in daybook.run("shards").splitlines()[1:]]
    assert [int(row[0]) for row in rows] == [0, 1, 2, 3]
    following, end = int(rows[shard][1]), int(rows[shard][3])
    assert following <= end
    daybook.run("shards", "set", shard, end + 1, expect=2)
    # As when somebody has set it past what there is: nothing is skipped, and nothing is reset.
    place = TopicPartition(daybook.topic("commands"), shard, end + 1)
    group = Consumer({"bootstrap.servers": daybook.kafka.brokers, "group.id": f"{daybook.name}-handlers"})
    group.commit(offsets=[place], asynchronous=False)
    group.close()

    why, _ = restart_with_a_stopped_shard(daybook, shard)
    assert f"the next command is {end + 1}" in why and "daybook shards" in why, why
    with daybook.client() as client:
        waiting = client.put(f"/v1/carts/{cart}/lines/tea", {"quantity": 7})
        assert waiting.status_code == 202, waiting.text
    daybook.stop()
    daybook.run("shards", "set", shard, following)
    daybook.start()
    with daybook.client() as client:
        wait_until(lambda: client.get(waiting.headers["Location"]).status_code == 200, "the command being decided")
        (line,) = client.expect(200, client.get(f"/v1/carts/{cart}"))["lines"]
        assert line["quantity"] == 7
    assert daybook.run("verify").endswith("sound: 0 violations\n")


# ---- roles in processes of their own ---------------------------------------------------------------------------------


def replies_in_the_log(daybook):
    # A record without a value only asked the broker for its time.
    return sum(1 for record in daybook.kafka.records(daybook.topic("replies"), "read_uncommitted") if record.value())


def test_a_purchase_goes_through_four_processes(new_daybook):
    daybook = new_daybook()
    with daybook.client() as client:
        Shop(client).sells("coffee", 500, 10)
    assert replies_in_the_log(daybook) == 0  # within one process they are handed over
    daybook.stop()
    roles = SplitRoles(daybook)
    try:
        roles.start()
        with daybook.client() as client:
            shop = Shop(client)
            shop.sells("tea", 500, 10)
            order = shop.buy(("tea", 2))
            assert shop.order(order["id"])["status"] == "confirmed"
            wait_until(lambda: shop.available("tea") == 8, "the view of stock")
        assert replies_in_the_log(daybook) > 0
        for role, has, has_not in (
            ("gateway", "daybook_http_requests_total", "daybook_handler_"),
            ("handler", "daybook_handler_events_total", "daybook_projection_"),
            ("projector", "daybook_projection_lag_events", "daybook_handler_"),
            ("connector", "daybook_connector_", "daybook_handler_"),
        ):
            page = roles[role].get("/metrics").text
            assert has in page and has_not not in page, (role, page)
            assert roles[role].get("/health/live").json() == {"live": True}
            assert roles[role].get("/health/ready").json() == {"ready": True}
        assert roles["handler"].get("/v1/orders").json()["code"] == "unknown_path"
        assert httpx.post(f"http://127.0.0.1:{roles['handler'].port}/metrics").status_code == 405
    finally:
        codes = roles.stop()
    assert set(codes.values()) == {0}


# ---- dead letters -------------------------------------------------------------------------------------------------------


def test_a_dead_letter_is_listed_and_sent_again_once(daybook):
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("letter", 500, 100)
        cart = shop.cart(("letter", 1))["id"]
        client.expect(200, client.put(f"/v1/carts/{cart}/lines/letter", {"quantity": 5}))
        shard, command = shard_of(daybook, "commands", cart.removeprefix("cart_"))
        client.expect(200, client.put(f"/v1/carts/{cart}/lines/letter", {"quantity": 1}))
        # In a shard that is not its stream's it is set aside.
        wrong = (shard + 1) % 4
        daybook.kafka.produce(daybook.topic("commands"), [command.value()], partition=wrong, key=command.key())

        def listed():
            return [line for line in daybook.run("dead-letters", "list").splitlines() if cart in line]

        (line,) = wait_until(listed, "the dead letter")
        assert "SetCartLine cmd_" in line
        head = daybook.run("dead-letters", "list").splitlines()[0]
        assert f"from {daybook.topic('commands')}[{wrong}] at " in head, head
        partition, offset = head.split()[:2]

        said = daybook.run("dead-letters", "resend", partition, offset)
        location = said.split()[-1]
        wait_until(lambda: client.get(location).status_code == 200, "what came of it")
        (line,) = client.expect(200, client.get(f"/v1/carts/{cart}"))["lines"]
        assert line["quantity"] == 5
        changed = client.expect(200, client.put(f"/v1/carts/{cart}/lines/letter", {"quantity": 2}))
        assert daybook.run("dead-letters", "resend", partition, offset).split()[-1] == location
        # It was decided, and changed nothing, before what comes after it.
        after = client.expect(200, client.put(f"/v1/carts/{cart}/lines/letter", {"quantity": 3}))
        assert after["version"] == changed["version"] + 1
    daybook.run("dead-letters", "resend", partition, int(offset) + 1000, expect=2)
    daybook.run("dead-letters", "resend", 7, 0, expect=2)
