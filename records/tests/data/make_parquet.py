"""Makes the Parquet files beside it, which the tests read, and table.csv, which holds the same table.

    pip install pyarrow==26.0.1 pandas==3.1.1 fastparquet==2026.9.0 polars==2.1.0 duckdb==2.0.0 && python make_parquet.py
"""

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
ROWS = 60
START = dt.datetime(1969, 12, 20, 6, 30)


def rare(row, every, value):
    return None if row % every == 0 else value


def columns():
    """Name, type and values; dotted names are fields of a struct."""
    rows = range(ROWS)
    yield "whole", pa.int64(), [rare(row, 7, row * 1_000_003 - 30) for row in rows]
    yield "small", pa.int8(), [row % 5 - 2 for row in rows]
    yield "unsigned", pa.uint32(), [4_000_000_000 + row for row in rows]
    yield "huge", pa.uint64(), [2**63 + row * 10**15 for row in rows]
    yield "single", pa.float32(), [rare(row, 9, row / 8 - 3) for row in rows]
    yield "double", pa.float64(), [row / 3 for row in rows]
    yield "half", pa.float16(), [row / 4 - 7 for row in rows]
    yield "price", pa.decimal128(7, 2), [rare(row, 4, Decimal(row * 37 - 500).scaleb(-2)) for row in rows]
    yield "long_price", pa.decimal128(25, 3), [Decimal(row * 10**17 - 9).scaleb(-3) for row in rows]
    yield "won", pa.bool_(), [rare(row, 6, row % 3 == 0) for row in rows]
    yield "closed", pa.bool_(), [True] * ROWS
    yield "day", pa.date32(), [rare(row, 8, (START + dt.timedelta(row)).date()) for row in rows]
    yield "millis", pa.timestamp("ms"), [START + dt.timedelta(hours=row) for row in rows]
    yield "micros", pa.timestamp("us", "UTC"), [START + dt.timedelta(minutes=row * 77) for row in rows]
    yield "nanos", pa.timestamp("ns"), [rare(row, 5, START + dt.timedelta(seconds=row * 7777)) for row in rows]
    yield "stage", pa.string(), [rare(row, 5, ["Open", "Closed Won", "Lost, late"][row % 3]) for row in rows]
    yield "id", pa.string(), [f"006-{row:05}-é" for row in rows]
    yield "clock", pa.time64("us"), [dt.time(row % 24, row, 0, row % 2 * 500_000) for row in rows]
    yield "empty", pa.string(), [None] * ROWS
    yield "account.name", pa.string(), [rare(row, 10, f"Firm {row % 4}") for row in rows]
    yield "account.size", pa.int32(), [rare(row, 10, rare(row, 3, row)) for row in rows]
    yield "account.place.city", pa.string(), [rare(row, 10, "Ulm" if row % 2 else "Bern") for row in rows]


def table(names=None):
    """All columns, or those of these names; every tenth account is null."""
    flat = [column for column in columns() if names is None or column[0] in names]
    arrays = {name: pa.array(values, kind) for name, kind, values in flat if "." not in name}
    nested = {name: pa.array(values, kind) for name, kind, values in flat if "." in name}
    if nested:
        null = pa.array([row % 10 == 0 for row in range(ROWS)])
        place = pa.StructArray.from_arrays([nested["account.place.city"]], ["city"], mask=null)
        fields = [nested["account.name"], nested["account.size"], place]
        arrays["account"] = pa.StructArray.from_arrays(fields, ["name", "size", "place"], mask=null)
    return pa.table(arrays)


def written(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value)


def write_csv():
    flat = list(columns())
    with (HERE / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([name for name, _, _ in flat])
        writer.writerows([written(value) for value in row] for row in zip(*(values for _, _, values in flat)))


def write(name, what, **options):
    pq.write_table(what, HERE / f"{name}.parquet", **({"row_group_size": 25, "store_schema": False} | options))


def main():
    write_csv()
    everything = table()
    for codec in ("none", "snappy", "gzip", "zstd"):
        for version in ("1.0", "2.0"):
            write(f"{codec}-pages-{version[0]}", everything, compression=codec, data_page_version=version)
    # Small pages, so that a column of a row group has several.
    write("small-pages", everything, row_group_size=60, data_page_size=64, write_batch_size=8, compression="zstd")
    write("plain", everything, use_dictionary=False, compression="none")
    encodings = {
        "whole": "DELTA_BINARY_PACKED", "small": "DELTA_BINARY_PACKED", "single": "BYTE_STREAM_SPLIT",
        "double": "BYTE_STREAM_SPLIT", "stage": "DELTA_LENGTH_BYTE_ARRAY", "id": "DELTA_BYTE_ARRAY",
        "day": "DELTA_BINARY_PACKED", "won": "RLE", "price": "BYTE_STREAM_SPLIT",
    }
    write("encodings", table(encodings), use_dictionary=False, column_encoding=encodings, compression="snappy")
    write("int96", table(["micros", "nanos"]), use_deprecated_int96_timestamps=True)
    write("brotli", table(["whole"]), compression="brotli")
    write("lz4", table(["whole"]), compression="lz4")
    lists = {"n": [1, 2, 3], "tags": [["a"], [], ["b", "c"]], "attributes": [{"k": 1}] * 3, "photo": [b"\xff", b"\0", b"x"]}
    kinds = [("n", pa.int64()), ("tags", pa.list_(pa.string())), ("attributes", pa.map_(pa.string(), pa.int64())),
             ("photo", pa.binary(1))]
    lists["attributes"] = [[("k", 1)]] * 3
    write("lists", pa.table(lists, pa.schema(kinds)))
    write("bytes", pa.table({"n": [1, 2], "photo": pa.array([b"fine", b"\xff\xfe"], pa.binary())}))
    # Dates and other text in one column: read again, as text.
    write("mixed", pa.table({"n": [1.5, 2.5, float("nan")], "date": ["2024-03-01", None, "soon"], "code": ["007", "008", ""]}))
    write("no-rows", table(["whole"]).slice(0, 0))
    write("constant", pa.table({"n": pa.array([1] * 1_000_000, pa.int8()), "s": ["x" * 50] * 1_000_000}),
          row_group_size=1_000_000, compression="zstd")
    encrypted()
    others()
    precise()


def encrypted():
    """A file with an encrypted footer, and one of which one column is."""
    import pyarrow.parquet.encryption as pe

    class Kms(pe.KmsClient):
        def __init__(self, _config):
            super().__init__()

        def wrap_key(self, key, _master):
            return key.hex()

        def unwrap_key(self, wrapped, _master):
            return bytes.fromhex(wrapped)

    for name, plaintext in (("encrypted", False), ("encrypted-column", True)):
        configuration = pe.EncryptionConfiguration(
            footer_key="f", column_keys={"c": ["small"]}, plaintext_footer=plaintext)
        factory = pe.CryptoFactory(Kms)
        properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), configuration)
        write(name, table(["whole", "small"]), encryption_properties=properties)


def others():
    """The same by other writers, as far as their types go."""
    import duckdb
    import fastparquet
    import polars

    few = table(["whole", "single", "double", "won", "closed", "day", "stage", "id", "empty"])
    polars.from_arrow(few).write_parquet(HERE / "polars.parquet", compression="zstd", row_group_size=25)
    duckdb.register("few", few)
    duckdb.sql(f"copy few to '{HERE / 'duckdb.parquet'}' (format parquet, compression zstd)")
    duckdb.sql(f"copy few to '{HERE / 'duckdb-2.parquet'}' (format parquet, parquet_version v2)")
    frame = few.select(["double", "closed", "id"]).to_pandas()
    frame["whole"] = few["whole"].to_pandas().astype("Int64")
    frame["stage"] = few["stage"].to_pandas().astype("category")
    frame["millis"] = table(["millis"])["millis"].to_pandas()
    for codec in ("GZIP", "SNAPPY", "ZSTD"):
        fastparquet.write(HERE / f"fastparquet-{codec.lower()}.parquet", frame, compression=codec, row_group_offsets=25)


def precise():
    """By pandas: durations, and whole numbers that single or double precision does not hold."""
    import pandas

    frame = pandas.DataFrame({
        "length": pandas.to_timedelta([125_000, 5_400_500, None], unit="ms"),
        "epoch": [1_700_000_000, 1_700_000_001, 1_700_000_002],
        "id": [9_007_199_254_740_992, 9_007_199_254_740_993, 9_007_199_254_740_994],
        "when": pandas.to_datetime(["2024-03-01T23:59:59.999", "2024-03-01T01:00:00", None], format="ISO8601"),
    })
    frame.to_parquet(HERE / "precise.parquet", index=False)


if __name__ == "__main__":
    main()
