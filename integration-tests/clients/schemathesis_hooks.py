"""What schemathesis cannot take from a document: a command is another one under each Idempotency-Key."""

import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.method != "GET":
        case.headers = {**(case.headers or {}), "Idempotency-Key": str(uuid.uuid4())}
