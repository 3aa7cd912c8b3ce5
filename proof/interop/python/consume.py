"""Computes each account's balance and each currency's total from the events alone, and prints them as JSON.

    pip install -r requirements.txt
    python consume.py

BROKERS, REGISTRY and TOPIC in the environment say where to read; the defaults are those of `make dev`. Amounts are minor units, printed
as strings: not every reader of JSON keeps 64 bits.
"""

import os

import events
import ledger

TOPIC = os.environ.get("TOPIC", "account.events")

fingerprints = {}
accounts = ledger.Ledger()
deserialize = events.Deserializer(TOPIC)
for message, event in events.read(TOPIC, deserialize):
    schema_id, body = message.value()[1:5], message.value()[5:]
    if schema_id not in fingerprints:
        fingerprints[schema_id] = ledger.fingerprint(deserialize.writer(message.value()))
    accounts.add(event)
    accounts.check_chain(f"partition {message.partition()}, offset {message.offset()}", event["aggregate_id"], fingerprints[schema_id], body,
                         dict(message.headers())["foldlog-chain"])
accounts.print()
