"""Reads the exports of one sweep as pandas, polars, duckdb and NumPy do, and holds them to its CSV.

usage: exports.py ROWS.csv ROWS.parquet ROWS.npz
Prints one line: rows, columns of the Parquet file, arrays of the archive.
"""

import json
import math
import sys

import duckdb
import numpy
import pandas
import polars
import pyarrow.parquet

csv_path, parquet_path, npz_path = sys.argv[1:4]
# as text: each reader rounds in its own way, and the exact loss has a column of its own
expected = pandas.read_csv(csv_path, dtype=str, keep_default_na=False).to_dict("records")
sketches = [json.loads(row["sketches"]) for row in expected]
levels = list(sketches[0])


def is_absent(value):
    return value is None or value is pandas.NA or (isinstance(value, float) and math.isnan(value))


def check(name, column, values):
    """`values` of one reader against the texts of a column; floats bit for bit."""
    assert len(values) == len(expected), (name, column, len(values))
    for row, value in zip(expected, values):
        text = row[column]
        if text in ("", "NaN"):
            assert is_absent(value), (name, column, value)
        elif isinstance(value, (bool, numpy.bool_)):
            assert str(bool(value)).lower() == text, (name, column, value, text)
        elif isinstance(value, (float, numpy.floating)):
            assert float(text) == float(value), (name, column, value, text)
        else:
            assert text.removeprefix("'") == str(value), (name, column, value, text)


def matrix(rows):
    """Sketches one below the other; a row of NaN where there is none. What is not finite is a string in JSON."""
    rows = [None if row is None else [float(value) for value in row] for row in rows]
    width = max(len(row) for row in rows if row is not None)
    return numpy.array([[math.nan] * width if row is None else row for row in rows])


def check_rows(name, frame):
    """All columns of a reader: a function from a name to its list of values."""
    for column in expected[0]:
        if column == "sketches":
            for level in levels:
                found = matrix(frame(f"sketch_{level}"))
                wanted = matrix(sketch[level] for sketch in sketches)
                assert numpy.array_equal(found, wanted, equal_nan=True), (name, level)
        elif column != "loss_train_hex":
            check(name, column, frame(column))
    exact = [float.fromhex(row["loss_train_hex"]) for row in expected]
    assert numpy.array_equal(list(frame("loss_train")), exact, equal_nan=True), name


frame = pandas.read_parquet(parquet_path)
nullable = pandas.read_parquet(parquet_path, dtype_backend="numpy_nullable")
check_rows("pandas", lambda column: list(nullable[column] if column.startswith("basin") else frame[column]))
assert frame["restart"].dtype == "uint32" and frame["loss_train"].dtype == "float64", frame.dtypes

frame = polars.read_parquet(parquet_path)
check_rows("polars", lambda column: frame[column].to_list())
assert frame.schema["restart"] == polars.UInt32 and frame.schema["sketch_raw"] == polars.List(polars.Float64)

table = duckdb.sql(f"select * from '{parquet_path}'")
rows = table.fetchall()
check_rows("duckdb", lambda column: [row[table.columns.index(column)] for row in rows])
agree = duckdb.sql(f"select count(*) from '{parquet_path}' where restart = 0").fetchall()[0][0]
assert agree == len({row["experiment"] for row in expected}), agree

file = pyarrow.parquet.ParquetFile(parquet_path)
metadata = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
assert metadata["seedsweep.schema"] == "seedsweep.outcomes/1"
assert metadata["seedsweep.engine"] == expected[0]["engine"]
assert metadata["seedsweep.spec"].startswith('name = "') or "name = " in metadata["seedsweep.spec"]

arrays = numpy.load(npz_path)
about = json.loads(str(arrays["metadata"]))
assert about["sweep"] == metadata["seedsweep.sweep"] and about["spec"] == metadata["seedsweep.spec"]


def array(column):
    values = arrays[column]
    if values.dtype.kind == "U":
        return [str(text) or None for text in values]
    if values.dtype == numpy.int64:
        return [None if value == -1 else int(value) for value in values]
    return values.tolist()


check_rows("numpy", array)

# what was measured, point by point
measured = [row for row in polars.read_parquet(parquet_path)["measures"].to_list()]
points = [(at, p["name"], p["step"], p["value"]) for at, row in enumerate(measured) for p in row or []]
parts = [arrays[f"measures_{part}"].tolist() for part in ("row", "name", "step", "value")]
assert len(points) == len(parts[0]) and len(points) > 0, len(points)
assert [str(point) for point in points] == [str(point) for point in zip(*parts)]
listed = duckdb.sql(f"select unnest(measures, recursive := true) from '{parquet_path}'").fetchall()
assert [str(point[1:]) for point in points] == [str(point) for point in listed]
exploded = pandas.json_normalize(pandas.read_parquet(parquet_path)["measures"].explode().dropna())
assert list(exploded["step"]) == [point[2] for point in points]
print(len(expected), len(file.schema_arrow.names), len(arrays.files))
