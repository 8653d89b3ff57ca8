"""Access tokens as whoever has the ring of master keys could make them, and as others try to: none of the program's own code.

core/vault/token.h and signing.h tell the form: RFC 9068's, signed with Ed25519, by a key that derives from the ring and the time.
"""

import base64
import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import vault

EPOCH_S = 30 * 24 * 3600
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encoded(text):
    """base64url without padding, of a text or bytes."""
    return base64.urlsafe_b64encode(text.encode() if isinstance(text, str) else text).rstrip(b"=").decode()


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def claims_of(token):
    return json.loads(decoded(token.split(".")[1]))


class SigningKey:
    """What a master key signs with at a time."""

    def __init__(self, master, at_s):
        self.private = Ed25519PrivateKey.from_private_bytes(
            vault.keyed_hash(master, b"signing", struct.pack(">Q", int(at_s) // EPOCH_S))
        )
        public = self.private.public_key()
        self.public = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.kid = hashlib.blake2b(self.public, digest_size=32).hexdigest()[:16]

    def header(self, **other):
        """In the program's order; None leaves a member out, others come last."""
        members = {"alg": "EdDSA", "typ": "at+jwt", "kid": self.kid} | other
        return {name: value for name, value in members.items() if value is not None}

    def signed(self, claims, header=None):
        """A token of these claims and header, which may be texts as well: they are signed whatever they say."""
        parts = [self.header() if header is None else header, claims]
        text = ".".join(encoded(part if isinstance(part, str) else compact(part)) for part in parts)
        return f"{text}.{encoded(self.private.sign(text.encode()))}"

    def with_mac(self, claims, secret):
        """HS256 under something that everybody knows."""
        text = f"{encoded(compact(self.header(alg='HS256')))}.{encoded(compact(claims))}"
        return f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def _again(text, name):
    """The text of an object, with one of its members at the end once more."""
    return f"{text[:-1]},{compact(name)}:{compact(json.loads(text)[name])}}}"


def bad_tokens(key, others, token, now_s):
    """What must not let in anybody: (what it is, the problem's code, the token). `key` signs ours now, `others` is a key that
    is none of ours, `token` is one that lets in."""
    header, payload, signature = token.split(".")
    claims = claims_of(token)
    text = compact(claims)
    admin = claims | {"roles": ["admin"]}
    jwk = {"kty": "OKP", "crv": "Ed25519", "kid": key.kid, "x": encoded(others.public)}
    last = DIGITS.index(token[-1])
    yield "alg none", "invalid_token", f"{encoded(compact(key.header(alg='none')))}.{payload}."
    yield "alg none, signed", "invalid_token", key.signed(claims, key.header(alg="none"))
    yield "alg NONE", "invalid_token", f"{encoded(compact(key.header(alg='NONE')))}.{payload}.{signature}"
    for name, secret in {
        "bytes": key.public,
        "PEM": key.pem,
        "JWK": encoded(key.public).encode(),
        "kid": key.kid.encode(),
    }.items():
        yield f"HS256 by the public key's {name}", "invalid_token", key.with_mac(admin, secret)
    for alg in ("ES256", "Ed25519", "eddsa"):
        yield f"alg {alg}", "invalid_token", key.signed(claims, key.header(alg=alg))
    for typ in ("JWT", "AT+JWT", None):
        yield f"typ {typ}", "invalid_token", key.signed(claims, key.header(typ=typ))
    yield "no kid", "invalid_token", key.signed(claims, key.header(kid=None))
    yield "kid of nobody", "invalid_token", others.signed(claims)
    yield "kid of ours, key of nobody", "invalid_token", others.signed(admin, key.header())
    yield "kid of a file", "invalid_token", key.signed(claims, key.header(kid="../../dev/null"))
    yield "with a key of its own", "invalid_token", others.signed(admin, key.header(jwk=jwk))
    yield "crit", "invalid_token", key.signed(claims, key.header(crit=["exp"]))
    yield "other claims under the signature", "invalid_token", f"{header}.{encoded(compact(admin))}.{signature}"
    yield "aud of others", "invalid_token", key.signed(claims | {"aud": "others"})
    yield "aud a list", "invalid_token", key.signed(claims | {"aud": [claims["aud"]]})
    yield "iss of others", "invalid_token", key.signed(claims | {"iss": "https://evil.example"})
    yield "sub no customer", "invalid_token", key.signed(claims | {"sub": "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"})
    yield "expired", "token_expired", key.signed(claims | {"iat": now_s - 600, "exp": now_s - 1})
    yield "expired an hour ago", "token_expired", key.signed(claims | {"iat": now_s - 4200, "exp": now_s - 3600})
    yield "not yet", "invalid_token", key.signed(claims | {"iat": now_s + 300, "exp": now_s + 900})
    yield "good for a day", "invalid_token", key.signed(claims | {"iat": now_s, "exp": now_s + 86400})
    yield "exp a text", "invalid_token", key.signed(claims | {"exp": str(claims["exp"])})
    yield "no exp", "invalid_token", key.signed({name: value for name, value in claims.items() if name != "exp"})
    yield "another claim", "invalid_token", key.signed(claims | {"scope": "all"})
    for name in ("sub", "exp", "roles"):
        yield f"{name} twice", "invalid_token", key.signed(_again(text, name))
    yield "kid twice", "invalid_token", key.signed(claims, _again(compact(key.header()), "kid"))
    yield "a space before the claims", "invalid_token", key.signed(" " + text)
    yield "a line feed behind them", "invalid_token", key.signed(text + "\n")
    yield "a space in the header", "invalid_token", key.signed(claims, compact(key.header()).replace(":", ": ", 1))
    yield "a space in the middle", "invalid_token", f"{header}. {payload}.{signature}"
    yield "a tab in the middle", "invalid_token", f"{header}.{payload}\t.{signature}"
    for other in (last ^ 1, last ^ 15):  # these bits belong to nothing
        yield f"the last character {DIGITS[other]}", "invalid_token", token[:-1] + DIGITS[other]
    yield "padded", "invalid_token", token + "=="
    yield "2 parts", "invalid_token", f"{header}.{payload}"
    yield "4 parts", "invalid_token", f"{token}.{signature}"
    yield "5 parts", "invalid_token", f"{header}..{payload}.{signature}.{signature}"
    yield "3 empty parts", "invalid_token", ".."
    yield "8 KiB", "invalid_token", key.signed(claims | {"vendor": "A" * 5800})
    yield "8 KiB of nothing", "invalid_token", "A" * 8192
