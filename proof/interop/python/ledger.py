"""Balances and totals from events, for the programs that print them."""

import hashlib
import json
import sys
from collections import defaultdict

import fastavro.schema

# What an event does to the balance, by its event_type. Others do nothing to it, and those that are added some day are passed over.
SIGN = {"Deposited": 1, "Credited": 1, "Refunded": 1, "Withdrawn": -1, "Debited": -1}


def fingerprint(writer):
    """The identity of a schema: no registry, white space or documentation changes it."""
    return hashlib.sha256(fastavro.schema.to_parsing_canonical_form(writer).encode()).digest()


class Ledger:
    def __init__(self):
        self.currency, self.version, self.balance, self.chain = {}, defaultdict(int), defaultdict(int), defaultdict(lambda: bytes(32))

    def check_chain(self, place, account, schema, body, link):
        """Each event carries a hash over itself and the account's event before it: an event that was changed, removed or moved is found."""
        self.chain[account] = hashlib.sha256(self.chain[account] + schema + body).digest()
        if link != self.chain[account]:
            sys.exit(f"{place}: the chain of account {account} is broken here")

    def add(self, event):
        account = event["aggregate_id"]
        self.version[account] += 1
        if event["version"] != self.version[account]:
            sys.exit(f"account {account}: version {event['version']} comes where {self.version[account]} is due")
        if event["event_type"] == "AccountOpened":
            self.currency[account] = event["data"]["currency"]
        elif event["event_type"] in SIGN:
            self.balance[account] += SIGN[event["event_type"]] * event["data"]["amount"]

    def print(self):
        accounts, totals = {}, defaultdict(int)
        for account in sorted(self.currency):
            accounts[account] = {"currency": self.currency[account], "balance": str(self.balance[account]), "version": self.version[account]}
            totals[self.currency[account]] += self.balance[account]
        json.dump({"accounts": accounts, "totals": {code: str(total) for code, total in sorted(totals.items())}}, sys.stdout, indent=2)
        print()
