"""What one caller must not be able to do to the others."""

import json
import socket
import struct
import threading
import time
import uuid

import psycopg
from harness.positions import ahead_of
from harness.shop import Shop, euros
from harness.waiting import wait_until


def assert_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code


def test_a_list_that_takes_too_long_is_refused_and_holds_up_nobody(daybook, shop, sku):
    product = shop.sells(sku, 100, 10)
    answers = []
    with daybook.client() as slow, psycopg.connect(daybook.sql.connection_string) as lock:
        # No list of orders gets to see the table as long as this transaction lasts.
        lock.execute("LOCK TABLE orders.orders IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        thread = threading.Thread(target=lambda: answers.append(slow.http.get("/v1/orders")))
        thread.start()
        time.sleep(0.3)  # the attack itself: the list is on its way
        shop.client.position = None
        cart = shop.cart((sku, 1))["id"]
        order = shop.client.expect(201, shop.check_out(cart))
        assert order["total"] == euros(100)
        shop.client.expect(200, shop.client.http.get(f"/v1/products/{product}"))
        assert time.monotonic() - begun < 1.5
        thread.join()
        assert time.monotonic() - begun > 1.5
        lock.rollback()
    (answer,) = answers
    assert_problem(answer, 503, "query_timeout")
    assert int(answer.headers["Retry-After"]) > 0
    shop.client.expect(200, shop.client.get("/v1/orders"))


def waiting(daybook):
    """How many requests wait for the outcome of their command."""
    with daybook.client() as client:
        lines = client.http.get("/metrics").text.splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith("daybook_gateway_waiting_commands "))


def post_raw(daybook, path, body, key):
    """Sends and does not wait. The socket."""
    text = json.dumps(body)
    connection = socket.create_connection(("127.0.0.1", daybook.port), timeout=30)
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {key}\r\nContent-Length: {len(text)}\r\n{daybook.header_lines()}\r\n{text}".encode()
    )
    return connection


def read_raw(connection):
    """Status, headers as bytes, body."""
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    connection.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


SLOW = {"payment": {"provider": "test", "method": "slow"}}


def test_who_has_gone_waits_no_longer(daybook, shop, sku):
    shop.sells(sku, 100, 50)
    carts = [shop.cart((sku, 1))["id"] for _ in range(20)]
    sockets = [post_raw(daybook, f"/v1/carts/{cart}/checkout", SLOW, uuid.uuid4()) for cart in carts]
    wait_until(lambda: waiting(daybook) == len(carts), "all to wait")
    gone = time.monotonic()
    for connection in sockets:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    wait_until(lambda: waiting(daybook) == 0, "nobody to wait")
    assert time.monotonic() - gone < 1  # the payments take longer
    assert shop.buy((sku, 1))["status"] == "confirmed"


def test_one_command_is_waited_for_by_a_bounded_crowd(daybook, shop, sku):
    shop.sells(sku, 100, 50)
    cart = shop.cart((sku, 1))["id"]
    key = uuid.uuid4()
    sockets = [post_raw(daybook, f"/v1/carts/{cart}/checkout", SLOW, key) for _ in range(90)]
    answers = [read_raw(connection) for connection in sockets]
    statuses = [status for status, _, _ in answers]
    # Who found too many waiting already is told the truth: it is on its way.
    assert (statuses.count(201), statuses.count(202)) == (64, 26)
    assert len({body for status, _, body in answers if status == 201}) == 1
    late = next(json.loads(body)["command"] for status, _, body in answers if status == 202)
    assert shop.client.get(f"/v1/commands/{late}").status_code == 200


def test_nothing_is_kept_of_who_was_refused(new_daybook):
    installation = new_daybook(view_wait_ms=2000)  # what is ahead of the log waits for it in vain
    with installation.client() as client:
        shop = Shop(client)
        product = shop.product(("A", 100))
        cart = shop.cart(("A", 1))["id"]
        client.expect(200, client.patch(f"/v1/products/{product}", {"title": "Other"}))
        ahead = ahead_of(client.position, (installation.directory / "secret").read_bytes())
        body = {"payment": {"provider": "test", "method": "approve"}, "email": "somebody@example.com"}
        refused = client.post(f"/v1/carts/{cart}/checkout", body, headers={"Daybook-Position": ahead})
        assert_problem(refused, 503, "view_behind")
        assert installation.sql.value("SELECT count(*) FROM vault.keys") == 0


def test_with_the_public_secret_there_are_no_webhooks(new_daybook):
    installation = new_daybook(development="false")
    with installation.client() as client:
        body = json.dumps({"intent": "i"})
        assert_problem(client.http.post("/v1/webhooks/test", content=body), 404, "unknown_provider")


def test_many_may_ask_for_one_command(daybook, shop, sku):
    shop.sells(sku, 100, 50)
    cart = shop.cart((sku, 1))["id"]
    buyer = post_raw(daybook, f"/v1/carts/{cart}/checkout", SLOW, uuid.uuid4())
    wait_until(lambda: waiting(daybook) == 1, "the checkout to wait")
    path = "/v1/commands/cmd_01ARZ3NDEKTSV4RRFFQ69G5FAW.0"  # one that nobody sent
    askers = [socket.create_connection(("127.0.0.1", daybook.port), timeout=30) for _ in range(100)]
    for asker in askers:
        asker.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    statuses = {read_raw(asker)[0] for asker in askers}
    assert statuses <= {202, 404}, statuses
    assert read_raw(buyer)[0] == 201
