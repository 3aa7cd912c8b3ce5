"""Computes each account's balance and each currency's total from the events alone, and prints them as JSON.

    pip install -r requirements.txt
    python consume.py

BROKERS, REGISTRY and TOPIC in the environment say where to read; the defaults are those of `make dev`. Amounts are minor units, printed
as strings: not every reader of JSON keeps 64 bits.
"""

import hashlib
import json
import os
import sys
from collections import defaultdict

import fastavro.schema

import events

TOPIC = os.environ.get("TOPIC", "account.events")

# What an event does to the balance, by its event_type. Others do nothing to it, and those that are added some day are passed over.
SIGN = {"Deposited": 1, "Credited": 1, "Refunded": 1, "Withdrawn": -1, "Debited": -1}

currency, version, balance, chain = {}, defaultdict(int), defaultdict(int), defaultdict(lambda: bytes(32))
fingerprints = {}


def check_chain(message, account, writer):
    """Each event carries a hash over itself and the account's event before it: an event that was changed, removed or moved is found."""
    schema_id = message.value()[1:5]
    if schema_id not in fingerprints:
        canonical = fastavro.schema.to_parsing_canonical_form(writer)
        fingerprints[schema_id] = hashlib.sha256(canonical.encode()).digest()
    chain[account] = hashlib.sha256(chain[account] + fingerprints[schema_id] + message.value()[5:]).digest()
    if dict(message.headers())["foldlog-chain"] != chain[account]:
        sys.exit(f"partition {message.partition()}, offset {message.offset()}: the chain of account {account} is broken here")


deserialize = events.Deserializer(TOPIC)
for message, event in events.read(TOPIC, deserialize):
    account = event["aggregate_id"]
    version[account] += 1
    if event["version"] != version[account]:
        sys.exit(f"account {account}: version {event['version']} comes where {version[account]} is due")
    check_chain(message, account, deserialize.writer(message.value()))
    if event["event_type"] == "AccountOpened":
        currency[account] = event["data"]["currency"]
    elif event["event_type"] in SIGN:
        balance[account] += SIGN[event["event_type"]] * event["data"]["amount"]

accounts, totals = {}, defaultdict(int)
for account in sorted(currency):
    accounts[account] = {"currency": currency[account], "balance": str(balance[account]), "version": version[account]}
    totals[currency[account]] += balance[account]
json.dump({"accounts": accounts, "totals": {code: str(total) for code, total in sorted(totals.items())}}, sys.stdout, indent=2)
print()
