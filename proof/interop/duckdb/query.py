"""Runs a query on the Parquet files of a directory and prints its rows as JSON.

    python query.py DIRECTORY balances.sql

The DuckDB command line does the same: cd DIRECTORY && duckdb -json < balances.sql
"""

import json
import os
import pathlib
import sys

import duckdb

directory, query = sys.argv[1], pathlib.Path(sys.argv[2]).read_text()
os.chdir(directory)  # the queries name files without a directory
result = duckdb.sql(query)
print(json.dumps([dict(zip(result.columns, row)) for row in result.fetchall()], default=str))
