"""Whatever is sent: a 4xx problem with a stable code and a pointer, nothing appended, nothing leaked."""

import uuid

import pytest
from harness.schemas import decode
from harness.stack import ROOT

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
CART = f"/v1/carts/cart_{ULID}"
FAMILIES = ("commands", "outcomes", "catalog", "stock", "carts", "orders", "payments", "dead-letters")


@pytest.fixture(scope="module")
def log_stays_empty(daybook):
    """Every test of this module sends only what must not reach the log."""
    yield
    for family in FAMILIES:
        found = [decode(record.value()) for record in daybook.kafka.records(daybook.topic(family))]
        assert [one for one in found if not is_of_a_key(one)] == [], family


def is_of_a_key(told):
    """What let the tests in, where a front asks who comes."""
    _, record = told
    return record.get("meta", record)["stream"].startswith("key_")


@pytest.fixture
def send(client, log_stays_empty):
    def request(method, path, content=b"", **headers):
        sent = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return client.http.request(method, path, content=content, headers=sent)

    return request


def assert_refused(answer, code, pointer, status=400):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem.get("pointer", "")) == (code, pointer), problem
    for leak in (f"{ROOT}/", ".c:", "postgres", "SELECT", "kafka", "0x"):
        assert leak not in answer.text


def cart(lines):
    return b'{"currency":"EUR","lines":[' + lines + b"]}"


# (body, code, pointer): none of these opens a cart.
BAD_CARTS = [
    (b"{", "malformed_json", ""),
    (b'{"currency":"EUR"', "malformed_json", ""),
    (b'{"currency":"EUR",}', "malformed_json", ""),
    (b"\x00", "malformed_json", ""),
    (b"[]", "wrong_type", ""),
    (b"null", "wrong_type", ""),
    (b"", "missing_field", "/currency"),
    (b'{"currency":1}', "wrong_type", "/currency"),
    (b'{"currency":"EUR","colour":"red"}', "unknown_field", "/colour"),
    (b'{"currency":"EUR","price_facts":[]}', "unknown_field", "/price_facts"),
    (b'{"currency":"EUR","meta":{"actor":"admin"}}', "unknown_field", "/meta"),
    (b'{"currency":"EUR","currency":"USD"}', "duplicate_key", "/currency"),
    (cart(b'{"sku":"A","quantity":1,"quantity":2}'), "duplicate_key", "/lines/0/quantity"),
    (cart(b'{"sku":"A","quantity":0}'), "out_of_range", "/lines/0/quantity"),
    (cart(b'{"sku":"A","quantity":-5}'), "out_of_range", "/lines/0/quantity"),
    (cart(b'{"sku":"A","quantity":1000000000000}'), "out_of_range", "/lines/0/quantity"),
    (cart(b'{"sku":"A","quantity":99999999999999999999999}'), "out_of_range", "/lines/0/quantity"),
    (cart(b'{"sku":"A","quantity":"1"}'), "wrong_type", "/lines/0/quantity"),
    (cart(b'{"sku":"A B","quantity":1}'), "invalid_format", "/lines/0/sku"),
    (cart(b'{"quantity":1}'), "missing_field", "/lines/0/sku"),
    (cart(b",".join(b'{"sku":"S%d","quantity":1}' % n for n in range(501))), "too_many_items", "/lines"),
    (b'{"currency":"EUR","reference":"\xff\xfe"}', "invalid_utf8", ""),
    (b'{"currency":"EUR","reference":"\xed\xa0\x80"}', "invalid_utf8", ""),
    (b'{"currency":"EUR","reference":"a\\u0000b"}', "invalid_format", "/reference"),
    (b'{"currency":"EUR","reference":"a\\u0008b"}', "invalid_format", "/reference"),
    (b'{"currency":"EUR","reference":"' + b"x" * 129 + b'"}', "too_long", "/reference"),
    (b'{"currency":"EUR","reference":""}', "too_short", "/reference"),
    (b'{"currency":"Euro"}', "invalid_format", "/currency"),
    (b"[" * 10000, "too_deep", ""),
]


@pytest.mark.parametrize("content, code, pointer", BAD_CARTS)
def test_a_cart_is_opened_by_good_input_only(send, content, code, pointer):
    assert_refused(send("POST", "/v1/carts", content), code, pointer)


@pytest.mark.parametrize(
    "path, content, pointer",
    [
        ("/v1/products", b'{"title":"T","variants":[]}', "/variants"),
        ("/v1/products", b'{"title":"T","variants":[{"sku":"A","price":{"amount":0,"currency":"EUR"}}]}', "/variants/0/price/amount"),
        ("/v1/products", b'{"title":"T","variants":[{"sku":"A","price":{"amount":1.5,"currency":"EUR"}}]}', "/variants/0/price/amount"),
        ("/v1/products", b'{"title":"T","variants":[{"sku":"A","price":{"amount":1}}]}', "/variants/0/price/currency"),
        ("/v1/stock/A/receipts", b'{"location":"main","quantity":0}', "/quantity"),
        ("/v1/stock/A/receipts", b'{"location":"Main Street","quantity":1}', "/location"),
        ("/v1/stock/A/adjustments", b'{"location":"main","delta":1}', "/reason"),
        (f"{CART}/checkout", b'{"payment":{"provider":"test"}}', "/payment/method"),
        (f"{CART}/checkout", b'{"email":"nobody","payment":{"provider":"test","method":"m"}}', "/email"),
        (f"{CART}/checkout", b'{"expected_total":{"amount":-1,"currency":"EUR"},"payment":{"provider":"test","method":"m"}}', "/expected_total/amount"),
    ],
)  # fmt: skip
def test_the_offending_field_is_pointed_at(send, path, content, pointer):
    answer = send("POST", path, content)
    assert answer.status_code == 400
    assert answer.json()["pointer"] == pointer, answer.text


@pytest.mark.parametrize(
    "path, content, pointer",
    [
        (f"/v1/products/prod_{ULID}", b'{"title":"T","description":null}', "/description"),
        (f"/v1/products/prod_{ULID}", b'{"vendor":null}', "/vendor"),
        (f"/v1/products/prod_{ULID}/variants/A", b'{"title":"T","barcode":null}', "/barcode"),
        (f"/v1/products/prod_{ULID}/variants/A", b'{"weight_g":null}', "/weight_g"),
    ],
)
def test_a_change_to_null_is_refused_and_not_passed_over(send, path, content, pointer):
    assert_refused(send("PATCH", path, content), "wrong_type", pointer)


@pytest.mark.parametrize(
    "method, path, status, code",
    [
        ("GET", f"/v1/carts/ord_{ULID}.1", 422, "wrong_id_kind"),
        ("GET", f"/v1/orders/cart_{ULID}", 422, "wrong_id_kind"),
        ("GET", f"/v1/payments/ord_{ULID}.1", 422, "wrong_id_kind"),
        ("POST", f"/v1/carts/prod_{ULID}/checkout", 422, "wrong_id_kind"),
        ("GET", "/v1/carts/1", 404, "malformed_id"),
        ("GET", f"/v1/carts/cart_{ULID.lower()}", 404, "malformed_id"),
        ("GET", f"/v1/carts/cart_{ULID}.1", 404, "malformed_id"),
        ("GET", f"/v1/orders/ord_{ULID}", 404, "malformed_id"),
        ("GET", f"/v1/orders/ord_{ULID}.01", 404, "malformed_id"),
        ("GET", "/v1/stock/a%20b", 404, "malformed_id"),
        ("GET", "/v1/stock/" + "A" * 65, 404, "malformed_id"),
        ("GET", "/v1/orders/%27%3B%20DROP%20TABLE%20orders%3B--", 404, "malformed_id"),
        ("POST", "/v1/stock/a%20b/receipts", 404, "malformed_id"),
    ],
)
def test_ids_are_checked_by_kind(send, method, path, status, code):
    bodies = {"receipts": b'{"location":"main","quantity":1}', "checkout": b'{"payment":{"provider":"test","method":"m"}}'}
    content = bodies.get(path.rpartition("/")[2], b"")
    assert_refused(send(method, path, content), code, "", status)


def test_a_body_of_ten_megabytes_is_cut_off(send):
    answer = send("POST", "/v1/carts", b'{"currency":"EUR","reference":"' + b"x" * 10_000_000 + b'"}')
    assert answer.status_code == 413


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
def test_only_json_is_taken(send, media_type):
    assert_refused(send("POST", "/v1/carts", b'{"currency":"EUR"}', Content_Type=media_type), "unsupported_media_type", "", 415)


@pytest.mark.parametrize(
    "header, value, code",
    [
        ("Idempotency_Key", "k" * 256, "idempotency_key_invalid"),
        ("Idempotency_Key", "with a space, but long enough", "idempotency_key_invalid"),
        pytest.param("Idempotency_Key", "short", "idempotency_key_too_weak", marks=pytest.mark.open_access),
        ("If_Match", 'W/"1"', "invalid_if_match"),
        ("If_Match", "1", "invalid_if_match"),
        ("Daybook_Position", "nonsense!", "invalid_position"),
        ("Daybook_Position", "AAAA", "invalid_position"),
        ("Daybook_Cart_Token", "x" * 129, "invalid_cart_token"),
    ],
)
def test_headers_are_checked(send, header, value, code):
    assert_refused(send("PUT", f"{CART}/lines/A", b'{"quantity":1}', **{header: value}), code, "")
