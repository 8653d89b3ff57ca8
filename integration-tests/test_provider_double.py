"""The payment provider's double itself: what it must not do to the tests that use it."""

import json
import socket
import struct
import time


def test_it_stops_though_a_client_of_a_slow_charge_has_gone(new_daybook):
    installation = new_daybook()
    body = json.dumps(
        {"intent": "pin_1", "payment": "pay_1", "method": "slow", "amount": 100, "currency": "EUR"}
    ).encode()
    connection = socket.create_connection(("127.0.0.1", installation.provider_port))
    connection.sendall(
        b"POST /charges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIdempotency-Key: pin_1\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    time.sleep(0.3)  # it has been charged, and is not answered yet
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    time.sleep(0.2)  # the double has seen that
    begun = time.monotonic()
    assert installation.provider.stop() == 0
    assert time.monotonic() - begun < 2
