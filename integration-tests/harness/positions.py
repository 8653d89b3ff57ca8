"""Daybook-Position tokens, as core/gateway/position.h writes them: whoever has no secret cannot."""

import base64
import hashlib
import hmac

TAG_BYTES = 8
HASH_BYTES = 8


def ahead_of(position, secret):
    """A token whose first stream stands at version 100."""
    pairs = bytearray(base64.urlsafe_b64decode(position + "=" * (-len(position) % 4))[:-TAG_BYTES])
    pairs[HASH_BYTES] = 100
    parts = b"".join(len(part).to_bytes(4, "big") + part for part in (b"position", bytes(pairs)))
    tag = hmac.new(secret, parts, hashlib.sha256).digest()[:TAG_BYTES]
    return base64.urlsafe_b64encode(bytes(pairs) + tag).decode().rstrip("=")
