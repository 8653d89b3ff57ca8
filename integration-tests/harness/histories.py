"""Histories of real runs for the checker in integration-tests/histories, from the journals that `daybook load` writes."""

import json
import subprocess

from .stack import ROOT

CHECKER = ROOT / "build" / "histories" / "histories"


def entries_of(journal):
    with open(journal, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _outcome(entry):
    if not entry["decided"]:
        return "unknown"
    # A declined payment leaves an order whose units are held.
    return "ok" if entry["status"] < 300 or entry.get("code") == "payment_declined" else "fail"


def _lines_bought(entry):
    sent = entry["sent"]
    return (sent.get("sent") or sent)["lines"]  # checkouts are sent from the journal of their carts


def operations(entry, process):
    """An entry of the kinds stock, baskets and checkouts as operations of its SKUs; history.go says what they mean."""
    shared = {name: entry.get(name, "") for name in ("key", "invoke_us", "return_us", "code", "order")}
    shared |= {"process": process, "outcome": _outcome(entry)}
    if entry["kind"] == "stock":
        return [shared | {"op": "receive", "sku": entry["sent"]["sku"], "quantity": entry["sent"]["quantity"]}]
    found = []
    for line in _lines_bought(entry):
        one = shared | {"op": "reserve", "sku": line["sku"], "quantity": line["quantity"]}
        if one["code"] == "out_of_stock" and line["sku"] not in entry["skus"]:
            one |= {"outcome": "unknown", "return_us": None, "code": ""}  # another SKU was missing
        found.append(one)
    return found


def write(path, journals, more=()):
    """The operations of the journals, and `more`, as one history."""
    found = list(more)
    for journal in journals:
        for entry in entries_of(journal):
            found += operations(entry, len(found))
    path.write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")
    return path


def assert_linearizable(*histories):
    """The checker accepts them; what it says."""
    assert CHECKER.exists(), f"{CHECKER} is made by `make faults` and `make histories`"
    ended = subprocess.run([CHECKER, *map(str, histories)], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"
    return ended.stdout.strip()
