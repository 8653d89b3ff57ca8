"""The vault as anybody with its keys may open it: none of the program's own code.

XChaCha20-Poly1305 is draft-irtf-cfrg-xchacha-03: HChaCha20 makes a key of the nonce's first 16 bytes, under which the rest is
RFC 8439's.
"""

import base64
import hashlib
import hmac
import os
import struct
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_ULID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ROUNDS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def _hchacha20(key, nonce):
    words = list(struct.unpack("<16L", b"expand 32-byte k" + key + nonce))

    def turn(a, b, c, shift):
        """One line of a quarter round: a += b, c ^= a, c <<<= shift."""
        words[a] = (words[a] + words[b]) & 0xFFFFFFFF
        mixed = words[c] ^ words[a]
        words[c] = (mixed << shift | mixed >> (32 - shift)) & 0xFFFFFFFF

    for _ in range(10):
        for a, b, c, d in _ROUNDS:
            turn(a, b, d, 16)
            turn(c, d, b, 12)
            turn(a, b, d, 8)
            turn(c, d, b, 7)
    return struct.pack("<8L", *words[:4], *words[12:])


def opened(key, nonce, ciphertext, about):
    """The plaintext; cryptography.exceptions.InvalidTag when it was not sealed so."""
    own = ChaCha20Poly1305(_hchacha20(key, nonce[:16]))
    return own.decrypt(bytes(4) + nonce[16:], ciphertext, about)


def closed(key, nonce, plaintext, about):
    """What `opened` opens."""
    own = ChaCha20Poly1305(_hchacha20(key, nonce[:16]))
    return own.encrypt(bytes(4) + nonce[16:], plaintext, about)


def ulid(number):
    """The text of 128 bits."""
    return "".join(_ULID_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


def keyed_hash(secret, *parts):
    """Of a label and parts; `secret` is what stands in secret_file."""
    text = b"".join(struct.pack(">L", len(part)) + part for part in parts)
    return hmac.digest(secret, text, hashlib.sha256)


def key_id_of_email(secret, email):
    """By whose key an address is sealed."""
    return "per_" + ulid(int.from_bytes(keyed_hash(secret, b"person", email.lower().encode())[:16], "big"))


def mail_token(secret, use, customer, number):
    """The token that a person is mailed."""
    found = keyed_hash(secret, b"mail token", use.encode(), customer.encode(), struct.pack(">L", number))[:24]
    return base64.urlsafe_b64encode(found).decode()


def ring(path):
    """The master keys by their ids, in their order: the first wraps."""
    lines = (line.split(" ") for line in Path(path).read_text().splitlines())
    return {name: base64.urlsafe_b64decode(key + "=") for name, key in lines}


def unwrapped(masters, row):
    """The key of a row of vault.keys (key_id, key, wrapped, master)."""
    if row["wrapped"] is None:
        return row["key"]
    about = f"{row['key_id']}|{row['master']}".encode()
    return opened(masters[row["master"]], row["wrapped"][:24], row["wrapped"][24:], about)


def unsealed(key, sealed):
    """The text of a Sealed record of the log."""
    return opened(key, sealed["nonce"], sealed["ciphertext"], sealed["key_id"].encode()).decode()


def wrapped(masters, key_id, key):
    """A key as vault.keys holds it under the first master key: that one's id, and the bytes."""
    name, master = next(iter(masters.items()))
    nonce = os.urandom(24)
    return name, nonce + closed(master, nonce, key, f"{key_id}|{name}".encode())


def sealed(key_id, key, text):
    """A Sealed record."""
    nonce = os.urandom(24)
    return {"key_id": key_id, "nonce": nonce, "ciphertext": closed(key, nonce, text.encode(), key_id.encode())}
