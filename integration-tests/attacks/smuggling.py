"""What is sent to make two readers of one byte stream disagree, and what must follow, as data.

`Case.answers` are the statuses that the front gives, in their order. A refusal is the last answer and ends the connection:
after a malformed message nobody knows where the next one begins. GET /health/live is 200 and POST there 405, which says that
a body was taken as it was announced; NEXT is what is being smuggled, and its 404 must only come where RFC 9112 has a request.

Rules: RFC 9112, 2.2 (line ends), 3.2 (targets, Host), 5 (fields), 6 (lengths), 7.1 (chunks), 9 (connections), 11.2 (smuggling);
RFC 9110, 7.6.1 (Connection), 7.8 (Upgrade), 10.1.1 (Expect). Forms of attack: CL.TE, TE.CL and TE.TE; lengths that one side
does not see (0.CL); chunk lines that end differently (TERM.EXT, EXT.TERM, spilling); expectations; upgrades to h2c.
"""

from dataclasses import dataclass

HOST = b"Host: shop.example\r\n"
NEXT = b"GET /v1/stock/SMUGGLED HTTP/1.1\r\n" + HOST + b"\r\n"
NEXT_STATUS = 404
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Case:
    name: str
    sent: bytes
    answers: tuple[int, ...]
    is_refused: bool = False  # the last answer is the server's own, before routing
    closes: bool = False  # the front ends the connection, though its client does not
    is_head: bool = False  # the first answer has no body
    continues: int = 0  # answers 100 (Continue)

    def __str__(self):
        return self.name


def refused(name, sent, status=400, before=()):
    return Case(name, sent, (*before, status), is_refused=True, closes=True)


def served(name, sent, *answers, **more):
    return Case(name, sent, answers, **more)


def unfinished(name, sent, *before, **more):
    """More bytes must come before there is anything to answer."""
    return Case(name, sent, before, **more)


def get(fields=b"", target=b"/health/live", version=b"HTTP/1.1", host=HOST):
    return b"GET " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b"", version=b"HTTP/1.1"):
    return b"POST /health/live " + version + b"\r\n" + HOST + fields + b"\r\n" + body


def length(value, body=b"hello"):
    return post(b"Content-Length:" + value + b"\r\n", body)


def coding(value, body=HELLO):
    return post(b"Transfer-Encoding:" + value + b"\r\n", body)


def chunks(body):
    return post(CHUNKED, body)


BOTH_LENGTHS = [
    refused("CL.TE, a byte left over", post(b"Content-Length: 6\r\n" + CHUNKED, b"0\r\n\r\nG") + NEXT),
    refused("CL.TE, a whole request left over", post(b"Content-Length: %d\r\n" % (5 + len(NEXT)) + CHUNKED, b"0\r\n\r\n" + NEXT)),
    refused("CL.TE with a length of 0", post(b"Content-Length: 0\r\n" + CHUNKED, HELLO)),
    refused("TE.CL", post(CHUNKED + b"Content-Length: 4\r\n", b"%x\r\n" % len(NEXT) + NEXT + b"\r\n0\r\n\r\n")),
    refused("TE.CL in HTTP/1.0", post(CHUNKED + b"Content-Length: 4\r\nConnection: keep-alive\r\n", HELLO, b"HTTP/1.0")),
    refused("both in a GET", get(CHUNKED + b"Content-Length: 5\r\n") + NEXT),
    refused("both, the coding spelt identity", post(b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n", b"hello")),
    refused("both, the length in a list of hop-by-hop fields", post(b"Connection: Content-Length\r\nContent-Length: 5\r\n" + CHUNKED, HELLO)),
    refused("both, the coding in a list of hop-by-hop fields", post(b"Connection: Transfer-Encoding\r\nContent-Length: 5\r\n" + CHUNKED, HELLO)),
]  # fmt: skip

CODINGS = [
    *(
        refused(f"the coding {value!r}", coding(value) + NEXT)
        for value in (
            b" xchunked", b" chunk", b" chunked1", b" chunked;q=1", b" chunked;", b' "chunked"', b" 'chunked'", b" chunked,", b" ,chunked",
            b" gzip", b" gzip, chunked", b" chunked, gzip", b" identity, chunked", b" chunked, chunked", b" chunked identity", b"", b" ",
            b" \x0bchunked", b" chunked\x0c", b" \x00chunked", b" chunked\x00", b" chunked\x7f", b" \xa0chunked", b" chunked\x85",
            b" chun\xe2\x84\xaaed", b"\r\n chunked", b"\r\n\tchunked", b"\rchunked", b"\nchunked", b" chunked\r",
        )
    ),
    refused("a coding twice, the second another", post(CHUNKED + b"Transfer-Encoding: identity\r\n", HELLO)),
    refused("a coding twice, the first another", post(b"Transfer-Encoding: x\r\n" + CHUNKED, HELLO)),
    refused("a coding twice, the second empty", post(CHUNKED + b"Transfer-Encoding:\r\n", HELLO)),
    refused("a coding twice, the same", post(CHUNKED + CHUNKED, HELLO)),
    refused("a space before the colon of the coding", post(b"Transfer-Encoding : chunked\r\n", HELLO)),
    refused("a tab before the colon of the coding", post(b"Transfer-Encoding\t: chunked\r\n", HELLO)),
    refused("a line end before the colon of the coding", post(b"Transfer-Encoding\r\n : chunked\r\n", HELLO)),
    refused("NUL in the name of the coding", post(b"Transfer-Encoding\x00: chunked\r\n", HELLO)),
    refused("a byte beyond ASCII in the name of the coding", post(b"\xffTransfer-Encoding: chunked\r\n", HELLO)),
    refused("the coding folded into another field", post(b"X: y\r\n Transfer-Encoding: chunked\r\n", HELLO)),
    refused("the coding behind CR alone", post(b"X: y\rTransfer-Encoding: chunked\r\n", HELLO)),
    refused("the coding behind LF alone", post(b"X: y\nTransfer-Encoding: chunked\r\n", HELLO)),
    *(
        served(f"the coding {value!r}, as the grammar has it", coding(value) + NEXT, 405, NEXT_STATUS)
        for value in (b"chunked", b"  chunked", b"\tchunked", b" chunked  ", b" CHUNKED", b" Chunked")
    ),
    # RFC 9112 lets blanks follow; llhttp and the front's own look must agree, and llhttp takes no tab there.
    refused("a tab behind the coding", coding(b" chunked\t") + NEXT),
    served("the name of the coding in odd case", post(b"tRANSFER-eNCODING: chunked\r\n", HELLO) + NEXT, 405, NEXT_STATUS),
    served("what is spelt with an underscore is another field", post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", b"hello") + NEXT, 405, NEXT_STATUS),
    served("X-Transfer-Encoding is another field", post(b"X-Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"hello") + NEXT, 405, NEXT_STATUS),
    served("a content coding is none of the transfer", post(b"Content-Encoding: chunked\r\nContent-Length: 5\r\n", b"hello") + NEXT, 405, NEXT_STATUS),
    served("a GET with a chunked body", get(CHUNKED) + HELLO + NEXT, 200, NEXT_STATUS),
    refused("a coding in HTTP/1.0", post(CHUNKED, HELLO, b"HTTP/1.0")),
    refused("a coding in HTTP/1.0 that is kept open", post(CHUNKED + b"Connection: keep-alive\r\n", HELLO, b"HTTP/1.0") + NEXT),
]  # fmt: skip

LENGTHS = [
    *(
        refused(f"the length {value!r}", length(value) + NEXT)
        for value in (
            b"", b" ", b" +5", b" -5", b" -0", b" 5, 5", b" 5,6", b" 5 5", b" 0x5", b" 5;", b" 5.0", b" 5e0", b" 1_0", b' "5"', b" five",
            b" \x0b5", b" 5\x00", b" \xef\xbc\x95", b" 18446744073709551621", b" 9223372036854775808", b" 99999999999999999999999999",
            b" 0000000000000000005", b"\r\n 5", b" 5\r", b"\n5",
        )
    ),
    refused("two lengths, the same", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    refused("two lengths, the larger last", post(b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(NEXT), NEXT)),
    refused("two lengths, the smaller last", post(b"Content-Length: %d\r\ncontent-length: 0\r\n" % len(NEXT), NEXT)),
    refused("two lengths in a GET", get(b"Content-Length: 0\r\nContent-Length: 5\r\n") + b"hello"),
    refused("a space before the colon of the length", post(b"Content-Length : 5\r\n", b"hello")),
    refused("a length folded into another field", post(b"X: y\r\n Content-Length: 5\r\n", b"hello")),
    refused("a length that wraps at 32 bits", length(b" 4294967301") + NEXT, 413),
    refused("a length beyond what is taken", length(b" 16777217"), 413),
    served("a length with zeros before it", length(b" 0005") + NEXT, 405, NEXT_STATUS),
    served("a length with blanks around it", length(b"\t 5  ") + NEXT, 405, NEXT_STATUS),
    refused("a tab behind the length", length(b" 5\t") + NEXT),  # as behind the coding
    served("a length of 0", length(b" 0", b"") + NEXT, 405, NEXT_STATUS),
    served("a POST without a length has no body", post(b"") + NEXT, 405, NEXT_STATUS),
    served("a request that is another one's body", length(b" %d" % len(NEXT), NEXT), 405),
    served("a GET with a body", get(b"Content-Length: %d\r\n" % len(NEXT)) + NEXT, 200),
    served("a HEAD with a body", b"HEAD" + get(b"Content-Length: %d\r\n" % len(NEXT))[3:] + NEXT, 200, is_head=True),
    refused("a body longer than its length", length(b" 4") + NEXT, before=(405,)),
    refused("a body of which no length tells", post(b"Content_Length: 5\r\n", b"hello") + NEXT, before=(405,)),
    refused("a body behind a GET without a length", get() + b"hello" + NEXT, before=(200,)),
    unfinished("a body shorter than its length", length(b" 6")),
    unfinished("a length that nobody keeps, in a GET", get(b"Content-Length: 100\r\n") + NEXT),
]  # fmt: skip

CHUNK_LINES = [
    *(
        refused(f"the chunks {body!r}", chunks(body) + NEXT)
        for body in (
            b"5;a=b\r\nhello\r\n0\r\n\r\n", b"5;\r\nhello\r\n0\r\n\r\n", b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n', b"5;\nhello\r\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"\t5\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"5h\r\nhello\r\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n",
            b"5\nhello\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n", b"5\r\r\nhello\r\n0\r\n\r\n", b"5\x00\r\nhello\r\n0\r\n\r\n",
            b"000000005\r\nhello\r\n0\r\n\r\n", b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"1_0\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"4\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\r\n\r\n0\r\n\r\n", b"5\r\nhello\r\n0\n\n", b"5\r\nhello\r\n0\r\n\n", b"5\r\nhello\r\n0\r\n\r\r\n", b"5\r\nhello\r\n0;a\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"0\r\nHost: b\r\n\r\n", b"0\r\nX: y\r\n z\r\n\r\n", b"0\r\nGET / HTTP/1.1\r\n\r\n",
        )
    ),
    refused("a chunk beyond what is taken", chunks(b"ffffffff\r\nhello"), 413),
    refused("chunks that together are beyond what is taken", chunks(b"5\r\nhello\r\nfffffb\r\nhello"), 413),
    served("a chunk size with zeros before it", chunks(b"00000005\r\nhello\r\n0\r\n\r\n") + NEXT, 405, NEXT_STATUS),
    served("chunk sizes in both cases", chunks(b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n") + NEXT, 405, NEXT_STATUS),
    served("a last chunk of several zeros", chunks(b"5\r\nhello\r\n000\r\n\r\n") + NEXT, 405, NEXT_STATUS),
    served("a request that is another one's chunk", chunks(b"%x\r\n" % len(NEXT) + NEXT + b"\r\n0\r\n\r\n"), 405),
    unfinished("chunks without an end", chunks(b"5\r\nhello\r\n")),
    unfinished("a last chunk without its empty line", chunks(b"5\r\nhello\r\n0\r\n")),
]  # fmt: skip

LINES = [
    refused("LF alone behind the request line", b"GET /health/live HTTP/1.1\n" + HOST + b"\r\n" + NEXT),
    refused("LF alone everywhere", get().replace(b"\r", b"") + NEXT),
    refused("LF alone as the last line", get()[:-2] + b"\n" + NEXT),
    refused("CR alone behind the request line", b"GET /health/live HTTP/1.1\r" + HOST + b"\r\n" + NEXT),
    refused("CR alone in a value", get(b"X: a\rb\r\n")),
    refused("CR CR LF at a line's end", get(b"X: a\r\r\n") + NEXT),
    refused("CR alone as an empty line", get(b"\rX: y\r\n") + NEXT),
    refused("NUL in a value", get(b"X: a\x00b\r\n") + NEXT),
    refused("NUL in a name", get(b"X\x00: a\r\n") + NEXT),
    refused("NUL in the target", get(target=b"/health\x00/live") + NEXT),
    refused("DEL in a value", get(b"X: \x7f\r\n") + NEXT),
    refused("a folded value", get(b"X: a\r\n b\r\n") + NEXT),
    refused("a fold before the first field", get(host=b" X: y\r\n" + HOST) + NEXT),
    refused("a fold of blanks alone, which looks like an empty line", get(b"X: a\r\n \r\nY: b\r\n") + NEXT),
    refused("a space before a colon", get(b"X : a\r\n") + NEXT),
    refused("a field without a name", get(b": a\r\n") + NEXT),
    refused("a field without a colon", get(b"abc\r\n") + NEXT),
    refused("a name with a slash", get(b"a/b: c\r\n") + NEXT),
    refused("a name in brackets", get(b"[a]: c\r\n") + NEXT),
    refused("a name with a space in it", get(b"Content Length: 5\r\n") + NEXT),
    # One is more than a connection may owe before it is no longer read: those behind it wait, and are answered.
    served("large answers", get(target=b"/openapi.json") * 8 + NEXT, *[200] * 8, NEXT_STATUS),
    served("a value beyond ASCII", get(b"X: \xc3\xa4\xff\r\n") + NEXT, 200, NEXT_STATUS),
    served("an empty value", get(b"X:\r\n") + NEXT, 200, NEXT_STATUS),
    served("an empty line first", b"\r\n" + get() + NEXT, 200, NEXT_STATUS),
    refused("two empty lines first", b"\r\n\r\n" + get()),
    refused("LF alone first", b"\n" + get()),
    refused("a space first", b" " + get()),
    refused("two spaces in the request line", b"GET  /health/live HTTP/1.1\r\n" + HOST + b"\r\n"),
    refused("a tab in the request line", b"GET\t/health/live HTTP/1.1\r\n" + HOST + b"\r\n"),
    refused("a form feed in the request line", b"GET /health/live\x0cHTTP/1.1\r\n" + HOST + b"\r\n"),
    refused("a space in the target", get(target=b"/health/live HTTP/1.1 x")),
    refused("a space behind the version", get(version=b"HTTP/1.1 ")),
    refused("a method in lower case", b"get" + get()[3:]),
    refused("a method of 33 letters", b"G" * 33 + get()[3:]),
    refused("an answer instead of a request", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + NEXT),
    refused("a header block of 17 KiB", get(b"".join(b"X-%03d: %0100d\r\n" % (n, 0) for n in range(90)) + b"Y: %09000d\r\n" % 0), 431),
    refused("101 fields", get(b"X: y\r\n" * 100), 431),
    refused("a target of 9 KiB", get(target=b"/" + b"a" * 9 * 1024), 414),
]  # fmt: skip

HOSTS = [
    refused("no Host", get(host=b"") + NEXT),
    refused("two Hosts", get(b"Host: other.example\r\n") + NEXT),
    refused("the same Host twice", get(HOST) + NEXT),
    refused("two Hosts in HTTP/1.0", get(HOST, version=b"HTTP/1.0")),
    *(
        refused(f"the Host {value!r}", get(host=b"Host:" + value + b"\r\n") + NEXT)
        for value in (b" a/b", b" u@a", b" a, b", b" a b", b" a#b", b" a?b", b" a\\b", b" \xe4.example", b" http://a", b' "a"', b"\r\n a")
    ),
    refused("a space before the colon of Host", get(host=b"Host : a\r\n")),
    refused("a fold instead of a Host", get(host=b" Host: a\r\n")),
    served("an empty Host", get(host=b"Host:\r\n") + NEXT, 200, NEXT_STATUS),
    served("an address as Host", get(host=b"Host: [::1]:8080\r\n") + NEXT, 200, NEXT_STATUS),
    served("other fields that name a host", get(b"X-Forwarded-Host: a, b\r\nX-Host: c\r\nForwarded: host=d\r\n") + NEXT, 200, NEXT_STATUS),
]

TARGETS = [
    *(
        refused(f"the target {target!r}", get(target=target) + NEXT)
        for target in (
            b"http://shop.example/health/live", b"https://other.example/health/live", b"http:/health/live", b"shop.example:443", b"*",
            b"health/live", b"?x=/health/live", b"@other.example/health/live", b"\\health\\live", b"/health/live#x", b"/health/\xffive",
        )
    ),
    refused("CONNECT with an authority", b"CONNECT shop.example:443 HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT),
    refused("OPTIONS of everything", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT),
    served("two slashes first", get(target=b"//other.example/health/live") + NEXT, 404, NEXT_STATUS),
    served("dots in the path", get(target=b"/health/../health/live") + NEXT, 404, NEXT_STATUS),
    served("line ends in the path, encoded", get(target=b"/x%0d%0aHTTP/1.1%20103%20Early%20Hints%0d%0a%0d%0a") + NEXT, 404, NEXT_STATUS),
    served("a request in the query, encoded", get(target=b"/health/live?%20HTTP/1.1%0d%0aContent-Length:%205%0d%0a") + NEXT, 200, NEXT_STATUS),
    served("TRACE gives nothing back", b"TRACE" + get()[3:] + NEXT, 405, NEXT_STATUS),
]  # fmt: skip

VERSIONS = [
    refused("HTTP/0.9", b"GET /health/live\r\n" + NEXT),
    *(
        refused(f"the version {version!r}", get(version=version) + NEXT, status)
        for version, status in (
            (b"HTTP/1.2", 505), (b"HTTP/2.0", 505), (b"HTTP/0.9", 505), (b"HTTP/1.10", 400), (b"HTTP/01.1", 400), (b"HTTP/1", 400),
            (b"http/1.1", 400), (b"HTTP/1,1", 400), (b"ICY/1.1", 400), (b"HTTP /1.1", 400),
        )
    ),
    refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", 505),
    refused("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    served("HTTP/1.0 ends with its answer", get(version=b"HTTP/1.0") + NEXT, 200, closes=True),
    served("HTTP/1.0 without a Host", get(version=b"HTTP/1.0", host=b""), 200, closes=True),
    served("HTTP/1.0 that is kept open", get(b"Connection: keep-alive\r\n", version=b"HTTP/1.0") + NEXT, 200, NEXT_STATUS),
]  # fmt: skip

EXPECTATIONS = [
    served("a body that did not wait for 100", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello") + NEXT, 405, NEXT_STATUS),
    served("Expect twice", post(b"Expect: 100-continue\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n", b"hello") + NEXT, 405, NEXT_STATUS),
    served("Expect without a body", get(b"Expect: 100-continue\r\n") + NEXT, 200, NEXT_STATUS),
    served("Expect in HTTP/1.0", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello", b"HTTP/1.0") + NEXT, 405, closes=True),
    served("Expect and chunks", post(b"Expect: 100-continue\r\n" + CHUNKED, HELLO) + NEXT, 405, NEXT_STATUS),
    unfinished("a body that waits for 100", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n"), continues=1),
    unfinished("a body that waits for 100, behind another request", get() + post(b"Expect: 100-continue\r\nContent-Length: 5\r\n"), 200, continues=1),
    *(
        refused(f"the expectation {value!r}", post(b"Expect:" + value + b"\r\nContent-Length: 5\r\n", b"hello") + NEXT, 417)
        for value in (b" y 100-continue", b" 100-continue, x", b" 100-continue;q=1", b" 200-ok", b"")
    ),
    refused("a length beyond what is taken is no reason to wait", post(b"Expect: 100-continue\r\nContent-Length: 16777217\r\n"), 413),
    refused("Expect and both lengths", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n" + CHUNKED, HELLO)),
]  # fmt: skip

H2C = b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
CONNECTIONS = [
    served("an upgrade to h2c is passed over", get(b"Connection: Upgrade, HTTP2-Settings\r\n" + H2C) + NEXT, 200, NEXT_STATUS),
    served("an upgrade that Connection does not name", get(H2C) + NEXT, 200, NEXT_STATUS),
    served("an upgrade with a body", post(b"Connection: Upgrade\r\nContent-Length: 5\r\n" + H2C, b"hello") + NEXT, 405, NEXT_STATUS),
    served("an upgrade to a web socket", get(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: eA==\r\n") + NEXT, 200, NEXT_STATUS),
    served("Content-Length named as hop-by-hop", post(b"Connection: Content-Length\r\nContent-Length: %d\r\n" % len(NEXT), NEXT), 405),
    served("Transfer-Encoding named as hop-by-hop", post(b"Connection: Transfer-Encoding\r\n" + CHUNKED, HELLO) + NEXT, 405, NEXT_STATUS),
    served("Host named as hop-by-hop", get(b"Connection: Host\r\n") + NEXT, 200, NEXT_STATUS),
    served("a connection that closes reads no more", get(b"Connection: close\r\n") + NEXT, 200, closes=True),
    served("close wins over keep-alive", get(b"Connection: keep-alive, close\r\n") + NEXT, 200, closes=True),
    served("close wins in another field", get(b"Connection: close\r\nConnection: keep-alive\r\n") + NEXT, 200, closes=True),
    served("an option of an odd name", get(b"Connection: ,,x-close, closed\r\n") + NEXT, 200, NEXT_STATUS),
    served("Proxy-Connection and Keep-Alive say nothing", get(b"Proxy-Connection: close\r\nKeep-Alive: timeout=0\r\n") + NEXT, 200, NEXT_STATUS),
    served("TE asks for nothing that is given", get(b"Connection: TE\r\nTE: trailers, chunked\r\n") + NEXT, 200, NEXT_STATUS),
    served("a trailer that is announced and does not come", post(b"Trailer: Content-Length\r\n" + CHUNKED, HELLO) + NEXT, 405, NEXT_STATUS),
    served("another method by a field", get(b"X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /v1/orders\r\n") + NEXT, 200, NEXT_STATUS),
]  # fmt: skip

HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
PIPELINES = [
    served("twenty requests at once", get() * 20, *[200] * 20),
    served("bodies and none in turn", (length(b" 5") + get() + chunks(HELLO)) * 3, *[405, 200, 405] * 3),
    refused("one that is malformed, and a good one behind it", get() + get(b"X : y\r\n") + NEXT, before=(200,)),
    refused("one with both lengths behind nineteen", get() * 19 + post(b"Content-Length: 5\r\n" + CHUNKED, HELLO) + NEXT, before=[200] * 19),
    refused("a refusal that looks like a body", length(b" 5") + b"hello" + NEXT, before=(405,)),
    refused("one that is too large, and a request in its body", length(b" 16777217", NEXT) + NEXT, 413),
    served("an answer as a body", length(b" %d" % len(HINTS), HINTS) + NEXT, 405, NEXT_STATUS),
    unfinished("half a request behind a whole one", get() + NEXT[:-2], 200),
]  # fmt: skip

CASES = [
    *BOTH_LENGTHS, *CODINGS, *LENGTHS, *CHUNK_LINES, *LINES, *HOSTS, *TARGETS, *VERSIONS, *EXPECTATIONS, *CONNECTIONS, *PIPELINES,
]  # fmt: skip
