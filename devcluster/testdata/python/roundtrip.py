"""Writes and reads Avro records as any Python program would: confluent-kafka with its schema registry client.

Usage: roundtrip.py BROKERS REGISTRY_URL TOPIC. The topic has to be empty, with LogAppendTime. Ends with status 1 on any surprise.
"""

import json
import sys
import time

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

brokers, registry_url, topic = sys.argv[1:]
subject = topic + "-value"
OLD = 741_528_000_000  # July 1993
V1 = {"type": "record", "name": "Deposit", "namespace": "test", "fields": [{"name": "amount", "type": "long"}]}
V2 = dict(V1, fields=V1["fields"] + [{"name": "note", "type": ["null", "string"], "default": None}])
BAD = dict(V1, fields=V2["fields"] + [{"name": "other", "type": ["null", "string"]}])


def check(ok, what):
    if not ok:
        sys.exit("not so: " + what)


registry = SchemaRegistryClient({"url": registry_url})
registry.set_compatibility(subject, "BACKWARD_TRANSITIVE")
check(registry.get_compatibility(subject) == "BACKWARD_TRANSITIVE", "the level is read as it was set")

before = int(time.time() * 1000)
producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "compression.type": "gzip"})
context = SerializationContext(topic, MessageField.VALUE)
for number, (schema, value) in enumerate([(V1, {"amount": 1}), (V2, {"amount": 2, "note": "two"})]):
    serialize = AvroSerializer(registry, json.dumps(schema))
    producer.produce(topic, key=f"k{number}", value=serialize(value, context), timestamp=OLD)
check(producer.flush(30) == 0, "all records are acknowledged")

check(not registry.test_compatibility(subject, Schema(json.dumps(BAD), "AVRO")), "a field without default is incompatible")
try:
    registry.register_schema(subject, Schema(json.dumps(BAD), "AVRO"))
    sys.exit("an incompatible schema was registered")
except SchemaRegistryError as e:
    check(e.http_status_code == 409 and e.error_code == 409, f"an incompatible schema is refused with 409, not {e}")
check(registry.get_versions(subject) == [1, 2], "the subject has two versions")

consumer = Consumer({"bootstrap.servers": brokers, "group.id": "python", "auto.offset.reset": "earliest", "enable.auto.commit": False})
consumer.subscribe([topic])
deserialize = AvroDeserializer(registry, json.dumps(V2))
values, deadline = [], time.time() + 30
while len(values) < 2:
    check(time.time() < deadline, f"two records within 30 s, have {values}")
    message = consumer.poll(1)
    if message is None:
        continue
    check(message.error() is None, f"no error: {message.error()}")
    kind, at = message.timestamp()
    check(kind == TIMESTAMP_LOG_APPEND_TIME, f"the timestamp is the broker's, not of type {kind}")
    check(before <= at <= int(time.time() * 1000), f"the time is now, not {at}")
    values.append(deserialize(message.value(), context))
consumer.commit(asynchronous=False)
consumer.close()
print(json.dumps(values))
