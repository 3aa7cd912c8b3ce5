"""Reads all events of a topic, from the first to the last that is committed.

BROKERS and REGISTRY in the environment say where; the defaults are those of `make dev`.
"""

import io
import json
import os
import struct

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient

BROKERS = os.environ.get("BROKERS", "127.0.0.1:9092")
REGISTRY = os.environ.get("REGISTRY", "http://127.0.0.1:8081")

registry = SchemaRegistryClient({"url": REGISTRY})


def newest_schema(topic):
    """The newest schema of the topic's values reads every event there ever was."""
    return json.loads(registry.get_latest_version(topic + "-value").schema.schema_str)


def read(topic, deserialize):
    """Yields (message, deserialize(message)) for each message up to the end, in order within each partition."""
    consumer = Consumer({
        "bootstrap.servers": BROKERS,
        "isolation.level": "read_committed",  # without it, events of transactions that failed are read, too
        "enable.partition.eof": True,
        "group.id": "unused",  # partitions are assigned here, and nothing is committed
        "enable.auto.commit": False,
    })
    try:
        metadata = consumer.list_topics(topic, timeout=30).topics[topic]
        if metadata.error:
            raise KafkaException(metadata.error)
        left = set(metadata.partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
        while left:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error() is None:
                yield message, deserialize(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            else:
                raise KafkaException(message.error())
    finally:
        consumer.close()


class Deserializer:
    """Turns a value in Confluent's wire format (a zero byte, the schema's id in four bytes, Avro) into a dict, as the newest schema has it:
    fields that were added later have their defaults in older events. A program that runs for long makes a new one when it meets an id
    that it does not know: the event may be of a kind that was added since."""

    def __init__(self, topic):
        self.newest = fastavro.parse_schema(newest_schema(topic))
        self.writers = {}

    def writer(self, value):
        """Returns the schema that a value was written with."""
        magic, schema_id = struct.unpack(">bI", value[:5])
        if magic != 0:
            raise ValueError("the value is not in Confluent's wire format")
        if schema_id not in self.writers:
            self.writers[schema_id] = fastavro.parse_schema(json.loads(registry.get_schema(schema_id).schema_str))
        return self.writers[schema_id]

    def __call__(self, message):
        value = message.value()
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), self.writer(value), self.newest)
