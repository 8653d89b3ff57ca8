"""A payment provider's webhooks, signed as the provider signs them: for tests that play the provider themselves."""

import hashlib
import hmac
import json
import time

SECRET = "daybook-test-webhooks"


def signed(body, secret=SECRET, moment=None):
    """The headers of a webhook with this body."""
    stamp = str(int(moment or time.time()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Daybook-Test-Signature": f"t={stamp},v1={digest}", "Content-Type": "application/json"}


def tell(client, payment, intent, result, amount, currency="EUR", reference="played", **more):
    """The provider's word on one of the payment's intents: charge, capture.1, void, refund.1 ... The same word is the same
    command; with another reference it is another one."""
    word = {"intent": f"{payment}.{intent}", "payment": payment, "result": result, "provider_ref": reference}
    body = json.dumps(word | {"amount": amount, "currency": currency} | more).encode()
    answer = client.http.post("/v1/webhooks/test", content=body, headers=signed(body))
    assert answer.status_code == 200, answer.text
