"""Thousands of clients that follow the stock of SKUs, and how soon each hears of a change.

The crowd is a process of its own that only listens, so that its work is not the shop's. It is one process for thousands of
clients, so what counts is when an event arrived at its client's socket (SO_TIMESTAMPNS, socket(7)), not when the crowd came to
look. Both tell the time by one clock.
"""

import multiprocessing
import random
import re
import resource
import select
import socket
import struct
import time

from .waiting import wait_until

_EVENT_ID = re.compile(rb"^id: ([0-9]+)$", re.MULTILINE)
_READ_BYTES = 64 * 1024
_SO_TIMESTAMPNS = 35  # of Linux; what comes with it is a struct timespec
_TIMESPEC = struct.Struct("@ll")
_CONNECTED_S = 60
_LAST_EVENTS_S = 3


def _connect(port, sku, fields):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    connection.sendall(f"GET /v1/stock/{sku}/stream HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
    return connection


def _receive(connection):
    """What is there, and when its last part arrived."""
    received, notes, _, _ = connection.recvmsg(_READ_BYTES, socket.CMSG_SPACE(_TIMESPEC.size))
    seconds, nanoseconds = _TIMESPEC.unpack(notes[0][2]) if notes else (time.time(), 0)
    return received, seconds + nanoseconds / 1e9


def _listen(port, fields, skus, clients, pipe):
    """The crowd: notes each event's client, version and time, until it is told to go home."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    poll = select.epoll()
    connections = {}
    for client in range(clients):
        connection = _connect(port, skus[client % len(skus)], fields)
        connection.setblocking(False)
        connections[connection.fileno()] = (client, connection)
        poll.register(connection, select.EPOLLIN)
    poll.register(pipe, select.EPOLLIN)
    heard, beginnings, lost = [], {}, 0
    is_over = False
    while not is_over:
        for descriptor, _ in poll.poll():
            if descriptor not in connections:
                is_over = True
                continue
            client, connection = connections[descriptor]
            received, arrived = _receive(connection)
            if not received:
                lost += 1
                poll.unregister(connection)
                continue
            text = beginnings.pop(client, b"") + received
            # What stands behind the last line's end comes again with what follows.
            whole, _, beginnings[client] = text.rpartition(b"\n")
            heard += [(client, int(version), arrived) for version in _EVENT_ID.findall(whole)]
        if pipe.poll() and pipe.recv() == "count":
            pipe.send(len({client for client, _, _ in heard}))
            is_over = False
    pipe.send((heard, lost))


def _percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def _delays(changes, heard, clients, skus):
    """For each change and each client that follows its SKU: how long after the change he was told it, or a later one."""
    by_client = {}
    for client, version, at in heard:
        by_client.setdefault(client, []).append((version, at))
    asked, committed, missed = [], [], 0
    for sku, version, asked_at, answered_at in changes:
        for client in range(skus.index(sku), clients, len(skus)):
            told = next((at for seen, at in by_client.get(client, []) if seen >= version), None)
            if told is None:
                missed += 1
                continue
            asked.append(told - asked_at)
            committed.append(max(0.0, told - answered_at))
    return asked, committed, missed


def follow(daybook, shop, skus, clients, seconds, per_second):
    """The SKUs exist; their stock is changed so often, one after the other in random order. A dict of what was seen:
    delays in seconds, since the change was asked for (at most the time from its commit) and since it was answered (at
    least that)."""
    ours, theirs = multiprocessing.Pipe()
    arguments = (daybook.port, daybook.header_lines(), skus, clients, theirs)
    crowd = multiprocessing.get_context("fork").Process(target=_listen, args=arguments)
    crowd.start()
    try:

        def all_listen():
            ours.send("count")
            return ours.recv() == clients

        wait_until(all_listen, "the crowd's first events", _CONNECTED_S, pause=0.5)
        changes = []
        begun = time.time()
        for number in range(int(seconds * per_second)):
            time.sleep(max(0.0, begun + number / per_second - time.time()))
            sku = random.choice(skus)
            asked_at = time.time()
            version = shop.stock(sku, 1)["version"]
            changes.append((sku, version, asked_at, time.time()))
        time.sleep(_LAST_EVENTS_S)
        ours.send("over")
        heard, lost = ours.recv()
    finally:
        crowd.kill()
        crowd.join()
    asked, committed, missed = _delays(changes, heard, clients, skus)
    return {
        "changes": len(changes),
        "events": len(heard),
        "lost": lost,
        "missed": missed,
        "asked_p50": _percentile(asked, 0.5),
        "asked_p99": _percentile(asked, 0.99),
        "committed_p50": _percentile(committed, 0.5),
        "committed_p99": _percentile(committed, 0.99),
    }
