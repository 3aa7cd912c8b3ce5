"""Writes all events of accounts and transfers to Parquet, one file for each topic.

    pip install -r requirements.txt -r ../duckdb/requirements.txt
    python export.py DIRECTORY

The columns are the envelope's fields. "data" is a struct with the fields of all kinds of events; event_type says which of them an event has,
and the others are null. "partition" and "offset" say where the event stands in the log. PREFIX in the environment is the topics' prefix, where there is one.
"""

import json
import os
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

import events

PREFIX = os.environ.get("PREFIX", "")
BATCH = 10_000  # rows of a row group: what is in memory at a time

PRIMITIVES = {
    "string": pa.string(), "bytes": pa.binary(), "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(),
    "float": pa.float32(), "double": pa.float64(),
}


def arrow_type(avro):
    """The column type of an Avro type that is no union of records."""
    if isinstance(avro, list):
        (avro,) = [branch for branch in avro if branch != "null"]  # every column may be null
    if isinstance(avro, str):
        return PRIMITIVES[avro]
    if avro.get("logicalType") == "timestamp-micros":
        return pa.timestamp("us", tz="UTC")
    if avro["type"] == "array":
        return pa.list_(arrow_type(avro["items"]))
    return arrow_type(avro["type"])


def arrow_schema(avro):
    fields = {"partition": pa.int32(), "offset": pa.int64()}
    for field in avro["fields"]:
        if field["name"] != "data":
            fields[field["name"]] = arrow_type(field["type"])
            continue
        data = {}
        for record in field["type"]:
            for inner in record["fields"]:
                kind = arrow_type(inner["type"])
                if data.setdefault(inner["name"], kind) != kind:
                    sys.exit(f"{record['name']}.{inner['name']} is of another type than the same field of another event: give it a column of its own")
        fields["data"] = pa.struct(data.items())
    return pa.schema(fields.items())


def export(topic, file):
    schema = arrow_schema(events.newest_schema(topic))
    count, rows = 0, []
    with pq.ParquetWriter(file, schema) as writer:
        for message, event in events.read(topic, events.Deserializer(topic)):
            rows.append(event | {"partition": message.partition(), "offset": message.offset()})
            count += 1
            if len(rows) == BATCH:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                rows = []
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return count


directory = pathlib.Path(sys.argv[1])
directory.mkdir(parents=True, exist_ok=True)
print(json.dumps({topic: export(PREFIX + topic, directory / f"{topic}.parquet") for topic in ("account.events", "transfer.events")}))
