"""A proxy before a Kafka broker that understands just enough to lose, delay and repeat the end of a transaction.

Of each request it reads the size, the api key, the version, the correlation id, and, where the body begins with it, the
transactional id. The broker must have a listener whose advertised port is the proxy's (Stack(proxied=...)), or clients
would go around it.

What can happen to an EndTxn (`next_commits`, `next_aborts`), each to one request:

    "held"      the client's connection breaks before the broker has the request; it arrives when the same producer has
                its next transaction open, with records in it and before its offsets. TCP allows that: a segment that a
                router kept, a broker's thread that was not scheduled
    "unheard"   the broker has it and answers, the answer is lost and the connection breaks
    "silent"    the client hears nothing, on a connection that stands; the request arrives as a held one does
    "twice"     the broker has it twice at once; the client hears the first answer

What may come later than the answer is not among them: a request that was answered is nowhere on the way.

`at(step, action)` is for faults of the client itself at a step of its transaction: the action runs once, in the proxy's
thread, before the request is passed on ("produce", "offsets_added", "offsets", "end"), or before the answer to the EndTxn is
("ended").

While `keeps_heartbeats` is set the group does not hear of its member, and the member hears that all is well: it is thrown
out and replaced, and goes on.
"""

import asyncio
import struct
import threading
from collections import Counter, deque
from dataclasses import dataclass, field

PRODUCE, HEARTBEAT, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT = 0, 12, 24, 25, 26, 28
WITH_TRANSACTIONAL_ID = {PRODUCE, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT}
# From these versions on a request is encoded otherwise (flexible): tagged fields behind the header, short lengths of texts.
FLEXIBLE_FROM = {PRODUCE: 9, ADD_PARTITIONS: 3, ADD_OFFSETS: 3, END_TXN: 3, TXN_OFFSET_COMMIT: 3}
FAULTS = ("held", "unheard", "silent", "twice")
STEPS = {PRODUCE: "produce", ADD_OFFSETS: "offsets_added", TXN_OFFSET_COMMIT: "offsets", END_TXN: "end"}
LATE_ANSWER_S = 10.0
RECORDS_WITHIN_MS = 1000


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
    at = 10 + max(client_id, 0)
    if version >= FLEXIBLE_FROM[api_key]:
        no_tags, length = frame[at], frame[at + 1] - 1
        assert no_tags == 0 and length < 127, f"a request {api_key} of version {version} cannot be read"
        at += 2
    else:
        (length,) = struct.unpack_from(">h", frame, at)
        at += 2
    request.transactional_id = frame[at : at + max(length, 0)].decode()
    if api_key == END_TXN:
        _, request.epoch, request.commits = struct.unpack_from(">qh?", frame, at + length)
    return request


@dataclass
class Delivered:
    """What the broker said to a late EndTxn."""

    fault: str
    transactional_id: str
    epoch: int
    commits: bool
    error_code: int  # of the broker's answer; -1: it said nothing
    records_before: int  # answered Produce requests of the transaction into which it fell


@dataclass
class _Open:
    """The transaction of one transactional id, as seen passing by."""

    produced: int = 0
    held: list = field(default_factory=list)  # (fault, request): EndTxns that the broker has not seen yet


class KafkaProxy:
    """Faults wait in two queues and are taken by EndTxns as they come; `done` and `late` tell what happened.

    `on_late` is called (in the proxy's thread) when a held request has been answered, before the transaction that it met
    goes on: the moment at which a handler's death would be worst.
    """

    def __init__(self, port, broker_port):
        self.port, self.broker_port = port, broker_port
        self.done = Counter()
        self.late: list[Delivered] = []
        self.complaints = []
        self.on_late = None
        self.keeps_heartbeats = False
        self._actions = {}  # by step
        self._faults = {True: deque(), False: deque()}  # by whether it commits
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

    def next_commits(self, *faults):
        """The next commits meet these, one each."""
        assert set(faults) <= set(FAULTS)
        self._faults[True].extend(faults)

    def next_aborts(self, *faults):
        """Likewise; the first one of each producer ends its warm-up."""
        assert set(faults) <= set(FAULTS)
        self._faults[False].extend(faults)

    def at(self, step, action):
        assert step == "ended" or step in STEPS.values()
        self._actions[step] = action

    def reached(self, step):
        action = self._actions.pop(step, None)
        if action is not None:
            action()

    def __str__(self):
        held = {name: open_ for name, open_ in list(self._transactions.items()) if open_.held}
        return f"done {dict(self.done)}, late {self.late}, to come {self._faults} {list(self._actions)}, held {held}"

    def waiting(self):
        """Faults and steps that nobody has met yet, and held requests that have not been delivered."""
        faults = sum(map(len, self._faults.values())) + len(self._actions)
        return faults + sum(len(open_.held) for open_ in list(self._transactions.values()))

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _listen(self):
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def _close(self):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
        if request.api_key == END_TXN and self._faults[request.commits]:
            return self._faults[request.commits].popleft()
        return None

    def transaction(self, transactional_id):
        return self._transactions.setdefault(transactional_id, _Open())

    async def deliver(self, open_):
        """What was held for this producer arrives now, into the transaction that is open."""
        for fault, request in open_.held:
            late = Delivered(fault, request.transactional_id, request.epoch, request.commits, -1, open_.produced)
            from_broker, to_broker = await asyncio.open_connection("127.0.0.1", self.broker_port)
            try:
                await _send(to_broker, request.frame)
                answer = await asyncio.wait_for(_receive(from_broker), LATE_ANSWER_S)
                # Correlation id, throttle time, error code.
                (late.error_code,) = struct.unpack_from(">h", answer, 8)
            except (TimeoutError, OSError, EOFError):
                pass
            to_broker.close()
            self.late.append(late)
            if self.on_late is not None:
                self.on_late(late)
        open_.held.clear()


class _Connection:
    def __init__(self, proxy, from_client, to_client):
        self.proxy, self.from_client, self.to_client = proxy, from_client, to_client
        self.to_broker = None
        self.producing = {}  # the transactions of Produce requests under way, by correlation id
        self.ending = set()  # correlation ids of commits
        self.beating = set()  # correlation ids of heartbeats
        self.all_is_well = b""  # the last answer to one, without its correlation id
        self.unheard = set()  # correlation ids whose answer the client must not get

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
        for stream in (self.to_client, self.to_broker):
            if stream is not None:
                stream.close()

    async def _requests(self):
        while True:
            request = parsed(await _receive(self.from_client))
            if request.api_key == HEARTBEAT:
                if self.proxy.keeps_heartbeats and self.all_is_well:
                    await _send(self.to_client, struct.pack(">i", request.correlation) + self.all_is_well)
                    continue
                self.beating.add(request.correlation)
            await self._follow(request)
            if request.transactional_id and request.api_key in STEPS:
                self.proxy.reached(STEPS[request.api_key])
            if request.api_key == END_TXN and request.commits:
                self.ending.add(request.correlation)
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
            self.producing[request.correlation] = open_
        elif request.api_key == TXN_OFFSET_COMMIT and open_.held and await self._has_records(open_):
            await self.proxy.deliver(open_)
        elif request.api_key == END_TXN:
            open_.produced = 0

    @staticmethod
    async def _has_records(open_):
        """Waits a little for the transaction's records, which go to the broker on a connection of their own."""
        for _ in range(RECORDS_WITHIN_MS):
            if open_.produced:
                return True
            await asyncio.sleep(0.001)
        return False

    async def _harm(self, request, fault):
        """Whether the connection has ended with it."""
        if fault == "twice":
            await _send(self.to_broker, request.frame)
            await _send(self.to_broker, request.frame)
            return False
        if fault == "unheard":
            self.unheard.add(request.correlation)
            await _send(self.to_broker, request.frame)
            return False
        self.proxy.transaction(request.transactional_id).held.append((fault, request))
        if fault == "silent":
            while await self.from_client.read(65536):
                pass  # until the client gives the connection up
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
            if correlation in self.beating:
                self.beating.discard(correlation)
                self.all_is_well = frame[4:]
            if correlation in self.producing:
                self.producing.pop(correlation).produced += 1
            if correlation in self.ending:
                self.ending.discard(correlation)
                self.proxy.reached("ended")
            await _send(self.to_client, frame)


async def _receive(stream):
    size = int.from_bytes(await stream.readexactly(4), "big")
    return await stream.readexactly(size)


async def _send(stream, frame):
    stream.write(len(frame).to_bytes(4, "big") + frame)
    await stream.drain()
