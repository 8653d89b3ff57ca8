"""The front over TLS: a purchase, who is let in, and certificates that are changed while it serves."""

import datetime
import http.client
import json
import socket
import ssl

import httpx
import pytest
from harness.authority import Authority, trusting
from harness.daybook import Daybook
from harness.ports import free_port
from harness.shop import Shop, euros
from harness.waiting import wait_until

TAKEN_S = 15  # a front looks every 5 s
EXPIRED = datetime.timedelta(minutes=-5)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.issue()
    return made


@pytest.fixture(scope="module")
def daybook(stack, authority):
    installation = Daybook(stack, name="tls", **authority.settings())
    try:
        yield installation.install().start()
    finally:
        installation.discard()


@pytest.fixture(autouse=True)
def good_certificate(authority):
    """Whatever a test leaves, the next one begins with files that are in order."""
    yield
    authority.issue()


def connected(daybook, context):
    """A connection whose handshake is over."""
    return context.wrap_socket(socket.create_connection(("127.0.0.1", daybook.port), 10), server_hostname="localhost")


def serial_shown(daybook, authority):
    with connected(daybook, trusting(authority.file)) as open_socket:
        return int(open_socket.getpeercert()["serialNumber"], 16)


def certificate_metric(daybook, name):
    return daybook.metrics()[f"daybook_http_certificate_{name}"]


# ---- what is served --------------------------------------------------------------------------------------------------


def test_a_purchase_over_https_with_its_stream_and_hsts(daybook, client, sku):
    shop = Shop(client)
    shop.sells(sku, 500, 10)
    order = shop.buy((sku, 2))
    path = f"/v1/orders/{order['id']}"
    wait_until(lambda: client.get(path).json().get("status") == "confirmed", "the view of the order")
    with client.http.stream("GET", f"{path}/stream") as stream:
        data = next(line for line in stream.iter_lines() if line.startswith("data:"))
        assert json.loads(data.removeprefix("data:"))["status"] == "confirmed"
    answer = client.get(path)
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000"
    assert client.get("/v1/nowhere").headers["Strict-Transport-Security"] == "max-age=63072000"
    daybook.run("verify")


def test_large_answers_and_bodies_come_whole(daybook, client):
    page = client.expect(200, client.get("/openapi.json"))
    assert page["openapi"].startswith("3.")
    description = "word " * 3275 + "the end"  # with what is around it more than one record of TLS
    variants = [{"sku": "MUCH", "price": euros(1)}]
    body = {"title": "Much", "description": description, "variants": variants}
    product = client.expect(201, client.post("/v1/products", body))["id"]
    client.expect(200, client.post(f"/v1/products/{product}/publish"))
    assert client.expect(200, client.get(f"/v1/products/{product}"))["description"] == description


def test_the_load_generator_speaks_https(daybook, authority, tmp_path):
    file = tmp_path / "products.jsonl"
    products = [{"title": f"Thing {n}", "variants": [{"sku": f"LOADED-{n}", "price": euros(100)}]} for n in range(20)]
    file.write_text("".join(json.dumps(product) + "\n" for product in products))
    report = tmp_path / "report.json"
    load = ["load", file, "--kind", "products", "--url", f"https://localhost:{daybook.port}", "--report", report]
    load += daybook.load_access()
    daybook.run(*load, "--ca", authority.file)
    stranger = Authority(tmp_path / "stranger")
    daybook.run(*load, "--ca", stranger.file, "--retry-seconds", 1, "--salt", "again", expect=None)
    assert "certificate not trusted" in report.read_text()
    assert "no certificates of authorities" in daybook.refusal(*load, "--ca", file, code=2)


# ---- who is let in ---------------------------------------------------------------------------------------------------


def context_of(version, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.file)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_tls_1_2_and_1_3_are_spoken(daybook, authority, version):
    context = context_of(version, authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connected(daybook, context) as open_socket:
        assert open_socket.selected_alpn_protocol() == "http/1.1"
        name, _, _ = open_socket.cipher()
        assert "GCM" in name or "CHACHA20" in name


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=str)
def test_older_versions_are_refused(daybook, authority, version):
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
        connected(daybook, context_of(version, authority))


@pytest.mark.parametrize("ciphers", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"])
def test_weak_ciphers_are_refused(daybook, authority, ciphers):
    context = context_of(ssl.TLSVersion.TLSv1_2, authority)
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="(?i)handshake.failure"):
        connected(daybook, context)


def test_plain_http_is_refused_on_that_port(daybook):
    refused = daybook.metrics()["daybook_http_refused_total"]
    with socket.create_connection(("127.0.0.1", daybook.port), 10) as plain:
        plain.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert plain.recv(1000) == b""
    wait_until(lambda: daybook.metrics()["daybook_http_refused_total"] > refused, "a refusal counted")


def test_who_trusts_another_authority_does_not_come(daybook, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(daybook.url, verify=trusting(stranger.file))


# ---- certificates that change ----------------------------------------------------------------------------------------


def test_a_new_certificate_is_served_without_a_restart_and_without_a_failed_request(daybook, authority):
    kept = http.client.HTTPSConnection("localhost", daybook.port, context=trusting(authority.file), timeout=10)

    def asked():
        kept.request("GET", "/health/live")
        answer = kept.getresponse()
        answer.read()
        return answer.status

    assert asked() == 200
    opened = kept.sock
    reloads = certificate_metric(daybook, "reloads_total")
    serial = authority.issue(ends_in=datetime.timedelta(days=3))

    def is_taken():
        assert asked() == 200
        return serial_shown(daybook, authority) == serial

    wait_until(is_taken, "the new certificate", TAKEN_S, pause=0.1)
    assert asked() == 200 and kept.sock is opened, "the connection went on"
    kept.close()
    assert certificate_metric(daybook, "reloads_total") > reloads
    ends_in_s = certificate_metric(daybook, "expires_timestamp_seconds") - datetime.datetime.now().timestamp()
    assert 2.9 * 86400 < ends_in_s < 3.1 * 86400
    assert daybook.service.says("gateway", "a new certificate is served")


def broken(authority, how):
    if how == "half written":
        authority.certificate.write_text(authority.certificate.read_text()[:200])
    elif how == "expired":
        authority.issue(ends_in=EXPIRED)


@pytest.mark.parametrize("how", ["half written", "expired"])
def test_files_that_cannot_be_taken_leave_the_old_certificate(daybook, authority, how):
    serial = authority.issue()
    wait_until(lambda: serial_shown(daybook, authority) == serial, "the certificate before", TAKEN_S)
    broken(authority, how)
    wait_until(lambda: certificate_metric(daybook, "refused") == 1, "the refusal", TAKEN_S)
    assert serial_shown(daybook, authority) == serial
    message = "the certificate's files cannot be taken; what was loaded before is served on"
    assert daybook.service.says("gateway", message, level="warn")
    mended = authority.issue()
    wait_until(lambda: serial_shown(daybook, authority) == mended, "the mended certificate", TAKEN_S)
    assert certificate_metric(daybook, "refused") == 0


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"tls_key": ""}, "give both, or neither"),
        ({"tls_certificate": "/nowhere.pem"}, "/nowhere.pem: No such file"),
        ({"tls_key": "/dev/null"}, "/dev/null: it is no file"),
    ],
    ids=["half", "missing", "no file"],
)
def test_a_front_without_its_certificate_does_not_start(daybook, changed, said):
    more = changed | {"http_port": free_port(), "data_dir": daybook.directory / "stranger"}
    ended = daybook.ended(["serve", "--role", "gateway"], 60, more=more)
    assert ended.returncode == 2 and said in ended.stderr, ended.stderr
