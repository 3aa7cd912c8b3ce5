"""Opens accounts and pays into them, by commands in Kafka.

    pip install -r requirements.txt
    FORMAT=avro python produce.py

FORMAT is json or avro. PREFIX, ACCOUNTS and DEPOSITS say which accounts and how many deposits each; BROKERS, REGISTRY and TOPIC where to
write. The command ids are the same in each run, so a run that is repeated (after a crash, say) changes nothing.
"""

import json
import os
import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

BROKERS = os.environ.get("BROKERS", "127.0.0.1:9092")
REGISTRY = os.environ.get("REGISTRY", "http://127.0.0.1:8081")
TOPIC = os.environ.get("TOPIC", "account.commands")
FORMAT = os.environ.get("FORMAT", "json")
PREFIX = os.environ.get("PREFIX", "python")
ACCOUNTS = int(os.environ.get("ACCOUNTS", "10"))
DEPOSITS = int(os.environ.get("DEPOSITS", "5"))

# The registered schema is used as it is: what may be sent is for the topic's owner to say.
serialize = AvroSerializer(SchemaRegistryClient({"url": REGISTRY}), conf={"auto.register.schemas": False, "use.latest.version": True})


def value_of(command_id, type_, record, data):
    command = {"command_id": command_id, "type": type_, "actor": "python-example"}
    if FORMAT == "json":
        return json.dumps(command | {"data": data})
    branch = ("foldlog.bank.account." + record, data)  # data is a union of records: this is how fastavro is told which
    return serialize(command | {"data": branch}, SerializationContext(TOPIC, MessageField.VALUE))


# With idempotence, retries neither double nor reorder. This client's default partitioner is not Java's: most commands go to another partition
# than their account's and are forwarded, in order. "partitioner": "murmur2_random" saves the detour, and is a must where other
# producers write to the same accounts.
producer = Producer({"bootstrap.servers": BROKERS, "enable.idempotence": True})
failures = []


def delivered(error, _):
    if error is not None:
        failures.append(error)


def send(account, number, type_, record, data):
    producer.produce(
        TOPIC, key=account, value=value_of(f"{account}-{number}", type_, record, data), headers={"content-type": "application/" + FORMAT},
        on_delivery=delivered,
    )
    producer.poll(0)


accounts = [f"{PREFIX}-{i}" for i in range(ACCOUNTS)]
for account in accounts:
    send(account, 0, "open", "Open", {"holder": "Python", "currency": "EUR", "overdraft_limit": 0})
for number in range(1, DEPOSITS + 1):
    for account in accounts:
        send(account, number, "deposit", "Deposit", {"amount": number, "currency": "EUR", "reference": str(number)})
if producer.flush(60) > 0 or failures:
    sys.exit(f"not all commands were acknowledged: {failures or 'Kafka did not answer in time'}; run again, which is safe")
print(json.dumps({"commands": ACCOUNTS * (1 + DEPOSITS)}))
