"""Three brokers on this machine, each a controller as well: what one of them answers, two have.

Two more nodes are controllers alone, so that a single broker still has a quorum behind it. Without one it would keep the
dead in its in-sync sets and wait for them, whatever min.insync.replicas says.
"""

import base64
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka.admin import AdminClient

from .ports import free_port, is_free
from .stack import NEVER_FLUSH, Stack
from .waiting import wait_until

NODES = (1, 2, 3)
CONTROLLERS = (4, 5)


class Cluster(Stack):
    """Like a Stack, with brokers that are killed, stopped (SIGSTOP) and started one by one, by their numbers."""

    def __init__(self):
        # Copies on three brokers stand in for the disk; small heaps, as there are three.
        super().__init__({"DAYBOOK_LOCAL_KAFKA_FLUSH_MESSAGES": NEVER_FLUSH, "DAYBOOK_LOCAL_KAFKA_HEAP": "320m"})
        self.ports = {node: free_port(neighbours=1) for node in (*NODES, *CONTROLLERS)}
        self._voters = ",".join(f"{node}@127.0.0.1:{port + 1}" for node, port in self.ports.items())
        # 16 random bytes; the first is chosen so that the text does not look like an option.
        self._id = base64.urlsafe_b64encode(b"D" + os.urandom(15)).decode().rstrip("=")

    @property
    def brokers(self):
        return ",".join(f"127.0.0.1:{self.ports[node]}" for node in NODES)

    def up(self):
        with ThreadPoolExecutor() as pool:
            started = [pool.submit(self.start_broker, node) for node in (*CONTROLLERS, *NODES)]
            self.start_postgres()
            for one in started:
                one.result()
        self.wait_in_sync()
        return self

    def down(self):
        self.stop_postgres()
        for node in (*NODES, *CONTROLLERS):
            if self.folder(node).exists():
                self.resume(node)
                self._run("kafka.sh", "stop", self.folder(node))

    def folder(self, node):
        return self.directory / f"kafka{node}"

    def pid(self, node):
        return int((self.folder(node) / "kafka.pid").read_text())

    def kafka_pids(self):
        """Of all nodes, controllers too."""
        return [self.pid(node) for node in (*NODES, *CONTROLLERS)]

    def start_broker(self, node):
        """Returns when it answers."""
        roles = "controller" if node in CONTROLLERS else "broker,controller"
        more = {"DAYBOOK_LOCAL_KAFKA_CLUSTER": f"{self._id} {node} {self._voters} {roles}"}
        self._run("kafka.sh", "start", self.folder(node), self.ports[node], environment=self.environment | more)

    def kill_broker(self, node):
        self._kill(self.folder(node) / "kafka.pid")
        wait_until(lambda: is_free(self.ports[node]) and is_free(self.ports[node] + 1), f"the end of broker {node}'s ports")

    def pause(self, node):
        os.kill(self.pid(node), signal.SIGSTOP)

    def resume(self, node):
        try:
            os.kill(self.pid(node), signal.SIGCONT)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it does not run

    def metadata(self):
        return AdminClient({"bootstrap.servers": self.brokers, "log_level": 2}).list_topics(timeout=5)

    def leader(self, topic, partition):
        """The node's number, -1 for none."""
        return self.metadata().topics[topic].partitions[partition].leader

    def coordinator(self, internal_topic, name):
        """Of a group (`__consumer_offsets`) or a transactional id (`__transaction_state`), as Kafka finds it."""
        partitions = self.metadata().topics[internal_topic].partitions
        return partitions[abs(java_hash(name)) % len(partitions)].leader

    def wait_in_sync(self, nodes=NODES, seconds=60.0):
        """Until these are all the brokers, and every partition has its copies on them; how long that took."""

        def in_sync():
            found = self.metadata()
            copies = [partition.isrs for topic in found.topics.values() for partition in topic.partitions.values()]
            return set(found.brokers) == set(nodes) and all(set(copy) == set(nodes) for copy in copies)

        began = time.monotonic()
        wait_until(in_sync, f"copies of everything on {nodes}", seconds, pause=0.2)
        return time.monotonic() - began


def java_hash(text):
    """String.hashCode()."""
    value = 0
    for letter in text:
        value = (value * 31 + ord(letter)) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value
