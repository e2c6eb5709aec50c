"""The tables of a dataset of the Hugging Face Hub: parquet files, or what the package datasets downloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData, RunError
from hvaedsl.diagnostics.printable import joined
from hvaedsl.ir.hub import repository
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.fitting import Fitting, fitting_from
from hvaedsl_runtime.data.hub.columns import ImageColumn, image_column
from hvaedsl_runtime.data.hub.parquet_files import complete, parquet_files, part_of_name
from hvaedsl_runtime.data.hub.rows import DAMAGED, Rows, part_of_rows
from hvaedsl_runtime.data.image_file import FILE_CHANNELS
from hvaedsl_runtime.data.images import images_at_a_time
from hvaedsl_runtime.data.problems import REPLACE, ImageProblem, Problems, refused_file
from hvaedsl_runtime.data.published.source import Origin, Source, origins_of_files
from hvaedsl_runtime.data.splits import VALIDATION_NAMES, PartName
from hvaedsl_runtime.disk.foreign_content import GIT_LFS, foreign_content, start_of

# Bytes of a column that are decoded at a time, and bytes of a file that are read at a time.
CHUNK_BYTES, BUFFER_BYTES = 2**22, 2**16
# What pyarrow needs for a number in a list while it reads one: the value, and its place in the lists.
BYTES_OF_NUMBER = 12
OFFLINE = (
    "if the dataset was downloaded before, set the environment variables HF_HUB_OFFLINE=1 and HF_DATASETS_OFFLINE=1; "
    "or set data.path to its parquet files"
)
Parts = Mapping[PartName, Sequence[Rows]]


def parquet_source(spec: DataSpec, place: Path, setting: str, fitting: Fitting | None = None) -> Source:
    """The parquet files at `place`, a file or a folder, which `setting` names, as a source to prepare.

    Raises DataNotFound or InvalidData for missing or unclear files, UnusableImages for files that cannot be read.
    """
    files = parquet_files(spec, place, setting)
    opened = _opened(files.every())
    column = _column_of_all({str(path): data.schema.to_arrow_schema() for path, data in opened.items()}, spec)
    parts = {
        part: [_file_rows(path, opened[path], column, spec) for path in paths] for part, paths in files.parts.items()
    }
    return _source(spec, "parquet files", origins_of_files(files.every(), checksums=True), parts, column, fitting)


def hub_source(spec: DataSpec, fitting: Fitting | None = None) -> Source:
    """A dataset of the Hub as a source to prepare; the package datasets downloads it, or has it in its cache.

    Raises DataNotFound if it cannot be loaded, InvalidData if it has no column of images.
    """
    found = _loaded(spec)
    named = _named_parts(spec, found)
    tables = {part: found[name].with_format("arrow") for part, name in named.items()}
    names = {part: f"{spec.dataset}, {name}" for part, name in named.items()}
    column = _column_of_all({names[part]: table.data.schema for part, table in tables.items()}, spec)
    parts = {part: [_table_rows(names[part], table, column, spec)] for part, table in tables.items()}
    others = [name for name in found if name not in named.values()]
    origins = [Path(file["filename"]) for table in tables.values() for file in table.cache_files]
    warnings = (f"splits that are not taken: {', '.join(others)}",) if others else ()
    return _source(
        spec, "the Hugging Face Hub", origins_of_files(origins, checksums=True), parts, column, fitting, warnings
    )


def _source(
    spec: DataSpec,
    what: str,
    origins: tuple[Origin, ...],
    parts: Parts,
    column: ImageColumn,
    fitting: Fitting | None,
    warnings: tuple[str, ...] = (),
) -> Source:
    """Make the source of tables. Raises DataNotFound for a part without a row, InvalidData for other channels."""
    is_files, fitting = column.form == "files", fitting or fitting_from(spec.fit)
    if is_files and spec.channels not in FILE_CHANNELS:
        raise InvalidData(
            f"{spec.dataset}: data.channels is {spec.channels}; the image files in the column `{column.name}` are read "
            f"as up to {FILE_CHANNELS[-1]}",
            help="correct data.channels; other images can be in lists of numbers, or in .npy files",
        )
    for part, tables in parts.items():
        if not sum(table.count for table in tables):
            raise DataNotFound(
                f"{', '.join(table.name for table in tables)}: the table has no rows",
                help="add images to it" if part in ("all", "train") else "remove the empty split",
            )
    configuration = f", configuration {spec.config}" if spec.config is not None else ""
    if "test" not in parts and "all" not in parts:
        warnings = (*warnings, "there is no split test: a tenth of the training images is for testing")
    return Source(
        layout=f"{what}{configuration}, column {column.name}" + (f", {fitting}" if is_files else ""),
        origins=origins,
        parts={part: part_of_rows(tables, column.form, spec, fitting) for part, tables in parts.items()},
        warnings=warnings,
        fitting=fitting if is_files else None,
        column=column.name,
    )


def _column_of_all(schemas: Mapping[str, pa.Schema], spec: DataSpec) -> ImageColumn:
    """The image column, the same in all tables. Raises UnusableImages, which names all tables with another one."""
    columns: dict[str, ImageColumn] = {}
    problems = Problems("tables")
    for name, schema in schemas.items():
        try:
            columns[name] = image_column(schema, spec.column, name)
        except InvalidData as error:
            problems.add(ImageProblem(name, str(error).removeprefix(f"{name}: "), error.help))
    problems.raise_any()

    (first, column), *others = columns.items()
    for name, other in others:
        if other != column:
            reason = (
                f"the images are in the column `{other.name}` ({other.form}); those of {first} are in "
                f"`{column.name}` ({column.form})"
            )
            problems.add(ImageProblem(name, reason, "set data.column, or save the tables with the same columns"))
    problems.raise_any()
    return column


# --- parquet files


def _opened(paths: Sequence[Path]) -> Mapping[Path, Any]:
    """The metadata of each file. Raises UnusableImages, which names all files that cannot be read."""
    found: dict[Path, Any] = {}
    problems = Problems("parquet files")
    for path in paths:
        try:
            # Opened here, since pyarrow opens no name that is not UTF-8 text.
            with path.open("rb") as opened, pq.ParquetFile(opened) as file:
                found[path] = file.metadata
        except DAMAGED as error:
            problems.add(_damaged(path, error))
    problems.raise_any()
    return found


def _damaged(path: Path, error: Exception) -> ImageProblem:
    """The problem of a file without the metadata of a parquet file."""
    if isinstance(error, OSError) and error.errno is not None:
        return refused_file(path, error)
    start = start_of(path)
    if (foreign := foreign_content(start)) is not None:
        return ImageProblem(str(path), foreign.what, foreign.help if start.startswith(GIT_LFS) else REPLACE)
    if start.startswith(b"PAR1"):
        return ImageProblem(str(path), "it is truncated or damaged: its end is not that of a parquet file", REPLACE)
    return ImageProblem(str(path), f"it is not a parquet file: {joined(error)}", REPLACE)


def _file_rows(path: Path, metadata: Any, column: ImageColumn, spec: DataSpec) -> Rows:
    rows = metadata.num_rows
    size = sum(
        part.total_uncompressed_size
        for group in map(metadata.row_group, range(metadata.num_row_groups))
        for part in map(group.column, range(group.num_columns))
        if part.path_in_schema == column.name or part.path_in_schema.startswith(f"{column.name}.")
    )
    step = _rows_at_a_time(size / max(1, rows), column, spec)

    def chunks() -> Iterator[pa.Array]:
        # Through a small buffer: of a group of rows, which may be the whole file, not everything is in memory.
        options = {"buffer_size": BUFFER_BYTES, "pre_buffer": False, "page_checksum_verification": True}
        with path.open("rb") as opened, pq.ParquetFile(opened, **options) as file:
            for batch in file.iter_batches(batch_size=step, columns=[column.name], use_threads=False):
                yield batch.column(0)

    return Rows(str(path), rows, chunks)


def _rows_at_a_time(bytes_per_row: float, column: ImageColumn, spec: DataSpec) -> int:
    """The rows that are read at a time, of which a compressed column says too little."""
    if column.form == "numbers":
        bytes_per_row = max(bytes_per_row, prod(spec.shape) * BYTES_OF_NUMBER)
    return max(1, min(images_at_a_time(spec.shape), int(CHUNK_BYTES / max(1, bytes_per_row))))


# --- the Hub


def _loaded(spec: DataSpec) -> Mapping[str, Any]:
    """The splits of a dataset of the Hub. Raises DataNotFound, with the reason and a way out."""
    import datasets

    try:
        found: Mapping[str, Any] = datasets.load_dataset(repository(spec.dataset), spec.config)
    except Exception as error:  # of datasets, huggingface_hub and the network, without a class of their own
        raise _not_loaded(spec, error) from error
    return found


def _not_loaded(spec: DataSpec, error: Exception) -> RunError:
    said = joined(error) or type(error).__name__
    message = f"{spec.dataset}: cannot be loaded from the Hugging Face Hub: {said}"
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "config" in said.lower() and isinstance(error, ValueError):
        return DataNotFound(message, help="set data.config to one of the configurations")
    if "GatedRepoError" in kinds or "gated" in said.lower():
        return DataNotFound(message, help="accept its terms on its page, and log in with `hf auth login`")
    if kinds & {"ConnectionError", "OfflineModeIsEnabled", "TimeoutError"}:
        return DataNotFound(message, help=f"connect to the internet; {OFFLINE}")
    if kinds & {"DatasetNotFoundError", "RepositoryNotFoundError"}:
        return DataNotFound(message, help=f"correct data.dataset; a private dataset needs `hf auth login`; {OFFLINE}")
    return DataNotFound(message, help=OFFLINE)


def _named_parts(spec: DataSpec, found: Mapping[str, Any]) -> Mapping[PartName, str]:
    """The split of each part: by its exact name, or else by the only one whose name means it."""
    if len(found) == 1:
        return {"all": next(iter(found))}
    exact: Mapping[PartName, tuple[str, ...]] = {"train": ("train",), "validation": VALIDATION_NAMES, "test": ("test",)}
    named: dict[PartName, str] = {}
    for part, names in exact.items():
        chosen = [name for name in names if name in found][:1] or [name for name in found if part_of_name(name) == part]
        if len(chosen) == 1:
            named[part] = chosen[0]
    if "train" not in named:
        raise DataNotFound(
            f"{spec.dataset}: found no split train; the splits are {', '.join(found)}",
            help="save the splits as train.parquet and test.parquet with `Dataset.to_parquet`, and set data.path to "
            "their folder",
        )
    return complete(named)


def _table_rows(name: str, table: Any, column: ImageColumn, spec: DataSpec) -> Rows:
    step = _rows_at_a_time(table.data.nbytes / max(1, len(table)), column, spec)

    def chunks() -> Iterator[pa.Array]:
        for batch in table.select_columns([column.name]).iter(batch_size=step):
            yield from batch.column(0).chunks

    return Rows(name, len(table), chunks, reads_paths=True)
