"""A proxy before a Kafka broker that understands just enough to lose, delay and repeat the end of a transaction.

Of each request it reads the size, the api key, the version, the correlation id, and, where the body begins with it, the
transactional id. The broker must have a listener whose advertised port is the proxy's (Stack(proxied=...)), or clients
would go around it.

What can happen to an EndTxn (`next_end_txn`), each to one request:

    "held"      the client's connection breaks before the broker has the request; it arrives when the same producer has
                its next transaction open, with records in it and before its offsets. TCP allows that: a segment that a
                router kept, a broker's thread that was not scheduled
    "unheard"   the broker has it and answers, the answer is lost and the connection breaks
    "silent"    the client hears nothing, on a connection that stands; the request arrives as a held one does
    "twice"     the broker has it twice at once; the client hears the first answer

What may come later than the answer is not among them: a request that was answered is nowhere on the way.
"""

import asyncio
import struct
import threading
from collections import Counter, deque
from dataclasses import dataclass, field

PRODUCE, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT = 0, 24, 25, 26, 28
WITH_TRANSACTIONAL_ID = {PRODUCE, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT}
# From these versions on a request is encoded otherwise (flexible); librdkafka 2.0.2 sends older ones.
FLEXIBLE_FROM = {PRODUCE: 9, ADD_PARTITIONS: 3, ADD_OFFSETS: 3, END_TXN: 3, TXN_OFFSET_COMMIT: 3}
FAULTS = ("held", "unheard", "silent", "twice")
LATE_ANSWER_S = 10.0


@dataclass
class Request:
    """One frame of a client, without its size."""

    frame: bytes
    api_key: int
    correlation: int
    transactional_id: str = ""
    epoch: int = -1
    commits: bool = False


def parsed(frame):
    api_key, version, correlation, client_id = struct.unpack_from(">hhih", frame)
    request = Request(frame, api_key, correlation)
    if api_key not in WITH_TRANSACTIONAL_ID:
        return request
    assert version < FLEXIBLE_FROM[api_key], f"a request {api_key} of version {version} cannot be read"
    at = 10 + max(client_id, 0)
    (length,) = struct.unpack_from(">h", frame, at)
    request.transactional_id = frame[at + 2 : at + 2 + max(length, 0)].decode()
    if api_key == END_TXN:
        _, request.epoch, request.commits = struct.unpack_from(">qh?", frame, at + 2 + length)
    return request


@dataclass
class Held:
    """An EndTxn that the broker has not seen yet, and the way to it that is kept for it."""

    request: Request
    to_broker: asyncio.StreamWriter
    from_broker: asyncio.StreamReader


@dataclass
class Delivered:
    """What the broker said to a late EndTxn."""

    fault: str
    transactional_id: str
    epoch: int
    commits: bool
    error_code: int  # of the broker's answer; -1: it said nothing
    records_before: int  # produce requests of the transaction into which it fell


@dataclass
class _Open:
    """The transaction of one transactional id, as seen passing by."""

    produced: int = 0
    held: list = field(default_factory=list)


class KafkaProxy:
    """`faults` wait in a queue and are taken by EndTxns as they come, commits only; `done` and `late` tell what happened.

    `on_late` is called (in the proxy's thread) when a held request has been answered, before the transaction that it met
    goes on: the moment at which a handler's death would be worst.
    """

    def __init__(self, port, broker_port):
        self.port, self.broker_port = port, broker_port
        self.done = Counter()
        self.late: list[Delivered] = []
        self.complaints = []
        self.on_late = None
        self._faults = deque()
        self._transactions = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kafka proxy")
        self._tasks = set()

    def __enter__(self):
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_):
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def next_end_txn(self, *faults):
        """The next commits meet these, one each."""
        assert set(faults) <= set(FAULTS)
        self._faults.extend(faults)

    def waiting(self):
        """Faults that no EndTxn has met yet, and held requests that have not been delivered."""
        return len(self._faults) + sum(len(open_.held) for open_ in list(self._transactions.values()))

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def _close(self):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for open_ in self._transactions.values():
            for _, held in open_.held:
                held.to_broker.close()

    # ---- one connection ----------------------------------------------------------------------------------------------

    async def _connected(self, from_client, to_client):
        task = asyncio.current_task()
        self._tasks.add(task)
        connection = _Connection(self, from_client, to_client)
        try:
            await connection.run()
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        except Exception as error:  # a fault of the proxy's own: the test looks
            self.complaints.append(error)
        finally:
            connection.close()
            self._tasks.discard(task)

    def fault_for(self, request):
        # A producer's first transaction is its warm-up, and aborted.
        if request.api_key == END_TXN and request.commits and self._faults:
            return self._faults.popleft()
        return None

    def transaction(self, transactional_id):
        return self._transactions.setdefault(transactional_id, _Open())

    async def deliver(self, open_):
        """What was held for this producer arrives now, into the transaction that is open."""
        for fault, held in open_.held:
            await _send(held.to_broker, held.request.frame)
            error_code = -1
            try:
                frame = await asyncio.wait_for(_receive(held.from_broker), LATE_ANSWER_S)
                # Correlation id, throttle time, error code.
                (error_code,) = struct.unpack_from(">h", frame, 8)
            except (OSError, EOFError, asyncio.TimeoutError):
                pass
            held.to_broker.close()
            request = held.request
            self.late.append(
                Delivered(fault, request.transactional_id, request.epoch, request.commits, error_code, open_.produced)
            )
            if self.on_late is not None:
                self.on_late(self.late[-1])
        open_.held.clear()


class _Connection:
    def __init__(self, proxy, from_client, to_client):
        self.proxy, self.from_client, self.to_client = proxy, from_client, to_client
        self.to_broker = None
        self.unheard = set()  # correlation ids whose answer the client must not get
        self.is_kept = False  # the way to the broker belongs to a held request now

    async def run(self):
        self.from_broker, self.to_broker = await asyncio.open_connection("127.0.0.1", self.proxy.broker_port)
        answers = asyncio.ensure_future(self._answers())
        requests = asyncio.ensure_future(self._requests())
        try:
            await asyncio.wait((answers, requests), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = [task for task in (answers, requests) if task.done()]
            for task in (answers, requests):
                task.cancel()
            await asyncio.gather(answers, requests, return_exceptions=True)
        for task in ended:
            task.result()

    def close(self):
        for stream in (self.to_client, None if self.is_kept else self.to_broker):
            if stream is not None:
                stream.close()

    async def _requests(self):
        while True:
            request = parsed(await _receive(self.from_client))
            await self._follow(request)
            fault = self.proxy.fault_for(request)
            if fault is None:
                await _send(self.to_broker, request.frame)
            else:
                self.proxy.done[fault] += 1
                if await self._harm(request, fault):
                    return

    async def _follow(self, request):
        """Keeps in mind what stands in each producer's transaction; a held EndTxn comes before the offsets."""
        if not request.transactional_id:
            return
        open_ = self.proxy.transaction(request.transactional_id)
        if request.api_key == PRODUCE:
            open_.produced += 1
        elif request.api_key == ADD_OFFSETS and open_.held and open_.produced:
            await self.proxy.deliver(open_)
        elif request.api_key == END_TXN:
            open_.produced = 0

    async def _harm(self, request, fault):
        """Whether the connection has ended with it."""
        if fault == "twice":
            await _send(self.to_broker, request.frame)
            self.unheard_after = request.correlation
            await _send(self.to_broker, request.frame)
            return False
        if fault == "unheard":
            self.unheard.add(request.correlation)
            await _send(self.to_broker, request.frame)
            return False
        # A way of its own for it, as this connection's is still answering what was sent before.
        from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self.proxy.broker_port)
        open_ = self.proxy.transaction(request.transactional_id)
        open_.held.append((fault, Held(request, to_broker, from_broker)))
        if fault == "silent":
            await asyncio.Event().wait()  # until the client gives the connection up
        return True

    async def _answers(self):
        answered = None
        while True:
            frame = await _receive(self.from_broker)
            (correlation,) = struct.unpack_from(">i", frame)
            if correlation in self.unheard:
                return
            if correlation == answered:
                continue  # the second answer to a request that came twice
            answered = correlation
            await _send(self.to_client, frame)


async def _receive(stream):
    size = int.from_bytes(await stream.readexactly(4), "big")
    return await stream.readexactly(size)


async def _send(stream, frame):
    stream.write(len(frame).to_bytes(4, "big") + frame)
    await stream.drain()
