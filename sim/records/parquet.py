"""The tables of a run that is done once more, as Parquet: typed, compressed, read in a moment however long they are."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sim.common.disk import writing
from sim.common.errors import UserError
from sim.records.cells import header
from sim.records.tables import TABLES, Column

PACKAGE = "pyarrow"
ARROW = {int: "int64", float: "float64", bool: "bool", str: "string"}


def check_format(name: str) -> None:
    """Raises UserError where `records.format` wants what is not installed."""
    if "parquet" in name and find_spec(PACKAGE) is None:
        raise UserError(
            f"records.format = {name!r}: the package {PACKAGE!r} is not installed; pip install -e '.[parquet]'"
        )


def write_parquet(folder: Path) -> None:
    """Write NAME.parquet beside every NAME.csv of a run's folder, block by block: memory does not grow with the rows.

    An empty cell is null, but "" in a column of text.
    """
    for name, columns in TABLES.items():
        if (path := folder / f"{name}.csv").is_file():
            _write(path, columns)


def _write(path: Path, columns: tuple[Column, ...]) -> None:
    from pyarrow import csv, parquet

    kinds = {column.name: ARROW[column.type] for column in columns if column.name in header(path)}
    options = csv.ConvertOptions(
        column_types=kinds,
        include_columns=list(kinds),
        null_values=[""],
        strings_can_be_null=False,
        true_values=["true"],
        false_values=["false"],
    )
    lines = csv.ParseOptions(newlines_in_values=True)
    new, temporary = path.with_suffix(".parquet"), path.with_name(f".{path.stem}.parquet.new")
    with writing(new):
        try:
            with (
                csv.open_csv(path, parse_options=lines, convert_options=options) as blocks,
                parquet.ParquetWriter(temporary, blocks.schema, compression="zstd") as writer,
            ):
                for block in blocks:
                    writer.write_batch(block)
            temporary.replace(new)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
