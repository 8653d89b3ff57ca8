"""What the tests read from and write to Kafka themselves, past the program under test."""

from collections import defaultdict

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from .waiting import wait_until


class Kafka:
    """`security` are librdkafka's settings for brokers that do not speak to everybody."""

    def __init__(self, brokers, security=None):
        self.brokers = brokers
        self.security = security or {}
        self.admin = AdminClient(self._settings())

    def _settings(self, **more):
        # Tests stop brokers on purpose: lost connections are no news (3 is librdkafka's level for errors).
        return {"bootstrap.servers": self.brokers, "log_level": 2} | self.security | more

    def _consumer(self, **more):
        # librdkafka wants a group's name even where no group is used: partitions are assigned, nothing is committed.
        return Consumer(self._settings(**{"group.id": "integration-tests", "enable.auto.commit": False}, **more))

    def topics(self, prefix=""):
        """The names of the topics that begin so, with their partition counts."""
        found = self.admin.list_topics(timeout=10).topics
        return {name: len(topic.partitions) for name, topic in found.items() if name.startswith(prefix)}

    def create_topic(self, name, partitions=1):
        for created in self.admin.create_topics([NewTopic(name, partitions, 1)]).values():
            created.result(30)
        wait_until(lambda: self.topics().get(name) == partitions, f"topic {name}")

    def delete_topics(self, prefix):
        names = list(self.topics(prefix))
        if names:
            for deleted in self.admin.delete_topics(names, operation_timeout=30).values():
                deleted.result(30)

    def produce(self, topic, values, partition=0, key=None, headers=None):
        """Returns when all are acknowledged."""
        failures = []
        producer = Producer(self._settings(**{"acks": "all", "linger.ms": 0}))
        for value in values:
            producer.produce(
                topic,
                value,
                key,
                partition,
                headers=headers,
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
        assert producer.flush(30) == 0, "records are not acknowledged in time"
        assert not failures, failures

    def each_record(self, topic, isolation="read_committed"):
        """The records that stand in the topic now, each partition's in the order of their offsets, one by one: for
        topics that do not fit into memory."""
        consumer = self._consumer(
            **{"enable.partition.eof": True, "auto.offset.reset": "earliest", "isolation.level": isolation}
        )
        try:
            partitions = self.topics()[topic]
            consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
            ended = set()
            while len(ended) < partitions:
                # One at a time waits no longer than it must; many at a time are read five times as fast.
                records = consumer.consume(1, 20)
                assert records, f"{topic} cannot be read to its end"
                for record in [*records, *consumer.consume(1000, 0)]:
                    if record.error() is None:
                        yield record
                    elif record.error().code() == KafkaError._PARTITION_EOF:
                        ended.add(record.partition())
                    else:
                        raise AssertionError(str(record.error()))
        finally:
            consumer.close()

    def records(self, topic, isolation="read_committed"):
        """All records that stand in the topic now, partition after partition, in the order of their offsets."""
        found = defaultdict(list)
        for record in self.each_record(topic, isolation):
            found[record.partition()].append(record)
        return [record for partition in sorted(found) for record in found[partition]]

    def end_offsets(self, topic, isolation="read_committed"):
        """Where each partition ends for such a reader: at the last stable offset, or (read_uncommitted) at the high watermark."""
        consumer = self._consumer(**{"isolation.level": isolation})
        try:
            return [
                consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
                for partition in range(self.topics()[topic])
            ]
        finally:
            consumer.close()


class OpenTransactions:
    """Looks quickly, again and again, for partitions in which a transaction is open."""

    def __init__(self, kafka):
        self._stable = kafka._consumer(**{"isolation.level": "read_committed"})
        self._high = kafka._consumer(**{"isolation.level": "read_uncommitted"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stable.close()
        self._high.close()

    def records(self, topic, partition):
        """How many records there are behind the last stable offset: 0 when no transaction is open."""
        place = TopicPartition(topic, partition)
        stable = self._stable.get_watermark_offsets(place, timeout=5)[1]
        return max(0, self._high.get_watermark_offsets(place, timeout=5)[1] - stable)
