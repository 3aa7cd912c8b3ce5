"""Computes each account's balance and each currency's total from the files that `foldlog export` wrote, and prints them as JSON.

    pip install -r requirements.txt
    python archived.py DIRECTORY

It needs neither Kafka nor a registry: a file has the schema that its events were written with.
"""

import io
import json
import pathlib
import sys

import fastavro

import ledger

accounts = ledger.Ledger()
# The name of a file is its partition and the offset of its first event: in this order events of an account are in theirs.
for path in sorted(pathlib.Path(sys.argv[1]).glob("account.events/day=*/*.avro"), key=lambda path: path.name):
    with open(path, "rb") as file:
        reader = fastavro.reader(file, return_record_name=True)  # so that "data" says which record it is
        writer = fastavro.parse_schema(json.loads(reader.metadata["foldlog.schema"]))
        fingerprint = ledger.fingerprint(writer)
        for event in reader:
            body = io.BytesIO()
            fastavro.schemaless_writer(body, writer, event)
            accounts.add(event | {"data": event["data"][1]})
            accounts.check_chain(f"{path}, offset {event['foldlog_offset']}", event["aggregate_id"], fingerprint, body.getvalue(), event["foldlog_chain"])
accounts.print()
