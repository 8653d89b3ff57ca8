"""`daybook reconcile`: a provider's settlement file against the log. The file is made of the double's own ledger."""

import csv
import json
import subprocess

import httpx
import pytest
from harness.daybook import BINARY, Daybook
from harness.processes import clean_environment
from harness.shop import Shop, euros
from harness.waiting import wait_until
from harness.webhooks import tell

KINDS = {"captured": "charge", "refunded": "refund", "disputed": "dispute", "dispute_won": "dispute_reversal"}


def settled(daybook):
    """The rows of a settlement file: what the provider's ledger says of each movement of money."""
    operations = httpx.get(f"{daybook.provider_url}/ledger").json()["operations"]
    return [
        {"settled": "yes", "amount": one["amount"], "currency": one["currency"], "kind": KINDS[one["result"]]}
        | {"payment": one["payment"], "remark": 'of "the" bank, as it says'}
        for one in operations
        if one["result"] in KINDS
    ]


def written(folder, rows, name="settlement.csv", **options):
    path = folder / name
    with path.open("w", newline="", **options) as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def shop_of_a_day(stack):
    """One payment captured, one refunded in parts, one that the payer won back from his bank, one declined."""
    daybook = Daybook(stack, name="reconcile", provider_arguments=("--late-ms", "100"))
    try:
        daybook.install().start()
        with daybook.client() as client:
            shop = Shop(client)
            shop.sells("TEA", 100, 50)
            plain = shop.buy(("TEA", 1))["payments"][0]["id"]
            parted = shop.buy(("TEA", 3))["payments"][0]["id"]
            for cents in (50, 70):
                client.expect(200, client.post(f"/v1/payments/{parted}/refunds", {"amount": euros(cents)}))
            lost = shop.buy(("TEA", 2), method="dispute_lost")["payments"][0]["id"]
            shop.check_out(shop.cart(("TEA", 1))["id"], "decline")

            def is_settled():
                documents = {one: client.get(f"/v1/payments/{one}").json() for one in (parted, lost)}
                return documents[parted]["refunded"] == euros(120) and documents[lost]["lost"] == euros(200)

            wait_until(is_settled, "the refunds and the dispute")
            yield daybook, client, {"plain": plain, "parted": parted, "lost": lost}
    finally:
        daybook.discard()


def test_a_file_that_says_what_the_log_says_has_no_differences(shop_of_a_day, tmp_path):
    daybook, _, _ = shop_of_a_day
    said = daybook.run("reconcile", written(tmp_path, settled(daybook)))
    assert "EUR charge" in said and said.endswith("6 rows: 0 differences\n"), said
    # As a spreadsheet writes it.
    daybook.run("reconcile", written(tmp_path, settled(daybook), "spreadsheet.csv", encoding="utf-8-sig"))


def test_each_difference_is_told_with_its_line_and_its_time(shop_of_a_day, tmp_path):
    daybook, _, payments = shop_of_a_day
    rows = settled(daybook)
    charge = next(row for row in rows if row["payment"] == payments["plain"])
    charge["amount"] = 99
    rows = [row for row in rows if row["kind"] != "dispute"] + [charge | {"payment": "pay_of_nobody"}]
    path = written(tmp_path, rows)
    ended = daybook.ended(["reconcile", path, "--json"], 60)
    assert ended.returncode == 3, ended.stderr
    told = {(one["payment"], one["kind"]): one for one in map(json.loads, ended.stdout.splitlines())}
    assert told.keys() == {
        (payments["plain"], "charge"),
        (payments["lost"], "dispute"),
        ("pay_of_nobody", "charge"),
    }
    assert (told[payments["plain"], "charge"]["file"], told[payments["plain"], "charge"]["log"]) == (99, 100)
    assert told["pay_of_nobody", "charge"]["line"] == len(rows) + 1
    assert "occurred_at" not in told["pay_of_nobody", "charge"]
    assert "line" not in told[payments["lost"], "dispute"]
    words = daybook.ended(["reconcile", path], 60).stdout
    assert f"{payments['plain']}: charge in EUR: the file has 99 (line " in words
    assert f"pay_of_nobody: charge in EUR: the file has 99 (line {len(rows) + 1}), the log nothing" in words, words


def test_of_the_log_the_days_of_the_file_alone_count(shop_of_a_day, tmp_path):
    daybook, _, _ = shop_of_a_day
    path = written(tmp_path, settled(daybook))
    ended = daybook.ended(["reconcile", path, "--to", "2020-01-01T00:00:00Z"], 60)
    assert ended.returncode == 3
    assert "the log nothing" in ended.stdout
    daybook.run("reconcile", path, "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")


def test_a_dispute_that_was_won_is_a_reversal(shop_of_a_day, tmp_path):
    daybook, client, payments = shop_of_a_day
    for result in ("disputed", "dispute_won"):
        tell(client, payments["plain"], "charge", result, 100, reference="dp_won")
    rows = settled(daybook)
    assert daybook.ended(["reconcile", written(tmp_path, rows)], 60).returncode == 3
    more = {"settled": "yes", "amount": 100, "currency": "EUR", "payment": payments["plain"], "remark": ""}
    rows += [more | {"kind": "dispute"}, more | {"kind": "dispute_reversal"}]
    daybook.run("reconcile", written(tmp_path, rows))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("kind,payment,amount\n", "line 1: there is no column currency"),
        ("kind,kind,payment,amount,currency\n", "line 1: there are two columns kind"),
        ("kind,payment,amount,currency\ncharge,pay_1,100\n", "line 2: it has 3 fields, the first line has 4"),
        ("kind,payment,amount,currency\ngift,pay_1,100,EUR\n", "line 2: kind is none of charge"),
        ("kind,payment,amount,currency\ncharge,,100,EUR\n", "line 2: payment must have 1 to 128 bytes"),
        ("kind,payment,amount,currency\ncharge,pay_1,1.00,EUR\n", "line 2: amount is no whole number of minor units"),
        ("kind,payment,amount,currency\ncharge,pay_1,-5,EUR\n", "line 2: amount is no whole number of minor units"),
        ("kind,payment,amount,currency\ncharge,pay_1,=1+1,EUR\n", "line 2: amount is no whole number of minor units"),
        ("kind,payment,amount,currency\ncharge,pay_1,5,euro\n", "line 2: currency is no code of ISO 4217"),
        ('kind,payment,amount,currency\n"charge', "line 2: a quote is never closed"),
        ("," * 300 + "\n", "line 1: a row has at most 256 fields"),
        ("kind,payment,amount,currency\ncharge,p,9223372036854775807,EUR\ncharge,p,1,EUR\n", "line 3: amount makes a sum"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_place(shop_of_a_day, text, said):
    daybook, _, _ = shop_of_a_day
    ended = subprocess.run(
        [BINARY, "reconcile", "-"],
        env=clean_environment(daybook.environment()),
        input=text.encode(),
        capture_output=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert f"daybook reconcile: -: {said}" in ended.stderr.decode()


def test_wrong_words_are_told(shop_of_a_day, tmp_path):
    daybook, _, _ = shop_of_a_day
    assert "which file?" in daybook.refusal("reconcile")
    assert "belongs behind --from" in daybook.refusal("reconcile", "x.csv", "--from", "yesterday")
    assert "No such file" in daybook.refusal("reconcile", tmp_path / "none.csv", code=1)
