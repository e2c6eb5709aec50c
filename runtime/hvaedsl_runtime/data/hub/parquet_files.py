"""Parquet files in a folder: those of a configuration, and of each split, by the names that Hugging Face gives them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from hvaedsl.diagnostics.errors import DataNotFound, InvalidData, RunError
from hvaedsl.ir.spec import DataSpec
from hvaedsl_runtime.data.image_tree import SUFFIXES, search
from hvaedsl_runtime.data.places import not_found
from hvaedsl_runtime.data.split_names import OF_SPLIT, is_split_name, split_words
from hvaedsl_runtime.data.splits import PartName
from hvaedsl_runtime.disk.foreign_content import packed_content, start_of

SUFFIX = ".parquet"
# Folders that say nothing of a configuration or a split: `data/train-00000-of-00002.parquet`.
PLAIN_FOLDERS = frozenset(("data",))
# `train-00000-of-00002`: the name of a split, and the number of its files.
SHARD = re.compile(r"(?P<name>.*)-(?P<number>\d{5,})-of-(?P<total>\d{5,})")
# `split=train`: a folder of a table that is partitioned by the values of a column, as Hive and pyarrow write it.
PARTITION = re.compile(r"[^=]+=(?P<value>.*)")
# What the package datasets calls the readers of other tables.
OTHER_TABLES = {".arrow": "arrow", ".jsonl": "json", ".json": "json", ".csv": "csv"}
EXPECTED = "parquet files such as train-00000-of-00001.parquet"
RENAME = "name the files of the splits train-*.parquet, test-*.parquet and validation-*.parquet"
# The order of the parts in lists and manifests.
ORDER: tuple[PartName, ...] = ("train", "validation", "test")
SOME = 3

# What a part is named by: a split, or its files.
Named = TypeVar("Named")


@dataclass(frozen=True, slots=True)
class TableFiles:
    """The parquet files of each part, in order."""

    parts: Mapping[PartName, Sequence[Path]]

    def every(self) -> list[Path]:
        """All files."""
        return [path for files in self.parts.values() for path in files]


def parquet_files(spec: DataSpec, place: Path, setting: str) -> TableFiles:
    """Find the parquet files at `place`, a file or a folder, which `setting` names.

    A file, and files whose names say no split, are divided; so is a split `train` without a split `test`.
    Raises DataNotFound for missing files, InvalidData for other files, several configurations and unclear splits.
    """
    if place.is_file():
        if place.suffix.lower() != SUFFIX:
            raise _another_file(place, setting)
        return TableFiles({"all": (place,)})
    if not place.is_dir():
        raise not_found(spec, EXPECTED, "put the files there", {place: setting})

    tree = search(place, (SUFFIX,))
    if not tree.names:
        raise _no_file(place, setting, tree.others)
    chosen = _of_configuration(place, tree.names, spec.config)
    _check_shards(place, chosen)
    return TableFiles({part: tuple(map(place.joinpath, files)) for part, files in _parts(place, chosen).items()})


def part_of_name(name: str) -> PartName | None:
    """The part that the name of a split means: `train`, `test` or `validation`; None if it means none, or several."""
    found = [part for part, words in OF_SPLIT.items() if (said := split_words(name)) and said <= words]
    return found[0] if len(found) == 1 else None


def _of_configuration(root: Path, names: list[str], config: str | None) -> list[str]:
    """The files of a configuration, which is a folder; without one, all files, which must be of one configuration."""
    by_config: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folders = [
            each
            for each in PurePosixPath(name).parts[:-1]
            if each not in PLAIN_FOLDERS and not is_split_name(_partition_value(each))
        ]
        # A table and its partitions are one configuration, unless a partition is asked for.
        configuration = "/".join(each for each in folders if not PARTITION.fullmatch(each))
        by_config["/".join(folders) if config == "/".join(folders) else configuration].append(name)

    if config is None and len(by_config) == 1:
        return names
    if config is not None and config in by_config:
        return by_config[config]
    found = ", ".join(f"{folder}/" if folder else "files directly in it" for folder in list(by_config)[:20])
    named = [f'"{folder}"' for folder in by_config if folder]
    way_out = f"set data.config to {' or '.join(named[:SOME])}, or data.path to one folder" if named else ""
    if config is None:
        raise InvalidData(f"{root}: the parquet files are of several configurations: {found}", help=way_out)
    raise DataNotFound(
        f"{root}: there is no folder of the configuration `{config}`; the parquet files are in {found}",
        help=way_out or "remove data.config: the files are of one configuration",
    )


def _check_shards(root: Path, names: Iterable[str]) -> None:
    """Raise DataNotFound if files of a split are missing, as after an interrupted download."""
    numbers: dict[tuple[str, int], set[int]] = defaultdict(set)
    for name in names:
        if (shard := SHARD.fullmatch(name.removesuffix(SUFFIX))) is not None:
            numbers[shard["name"], int(shard["total"])].add(int(shard["number"]))
    missing = [
        f"{name}-{number:05}-of-{total:05}{SUFFIX}"
        for (name, total), found in numbers.items()
        for number in range(total)
        if number not in found
    ]
    if missing:
        raise DataNotFound(
            f"{root}: {len(missing):,} parquet file{'s are' if len(missing) > 1 else ' is'} missing: {_some(missing)}",
            help="download all files of the dataset",
        )


def _parts(root: Path, names: Sequence[str]) -> Mapping[PartName, Sequence[str]]:
    """The files of each part. Raises InvalidData for names that do not go together."""
    split_of = {name: _split_name(PurePosixPath(name)) for name in names}
    if not any(split_words(split) for split in split_of.values()):
        return {"all": names}

    found: dict[PartName, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    unclear = []
    for name, split in split_of.items():
        if (part := part_of_name(split)) is None:
            unclear.append(name)
        else:
            found[part][split].append(name)
    if unclear:
        raise InvalidData(
            f"{root}: {_some(unclear)}: the name says no split, or several, beside the files of splits",
            help=f"{RENAME}, or remove the others",
        )
    for part, splits in found.items():
        if len(splits) > 1:
            raise InvalidData(
                f"{root}: found the splits {' and '.join(splits)}; only one of them can have the {part} images",
                help="keep one of them, or set data.path to a file or folder of its own",
            )
    if "train" not in found:
        raise DataNotFound(
            f"{root}: found {_some(names)}, but no training images",
            help=f"{RENAME}, or set data.path to one file to divide it",
        )
    return complete(
        {part: [name for files in found[part].values() for name in files] for part in ORDER if part in found}
    )


def complete(parts: Mapping[PartName, Named]) -> Mapping[PartName, Named]:
    """Parts of which training images alone are divided into all splits."""
    return {"all": parts["train"]} if set(parts) == {"train"} else parts


def _split_name(path: PurePosixPath) -> str:
    """What says the split of a file: the innermost folder that has the name of one, or the name of the file."""
    values = map(_partition_value, reversed(path.parts[:-1]))
    folder = next((each for each in values if is_split_name(each)), None)
    shard = SHARD.fullmatch(path.stem)
    return folder or (shard["name"] if shard is not None else path.stem)


def _partition_value(folder: str) -> str:
    """The value in the name of a partition, `train` in `split=train`; the name of any other folder."""
    partition = PARTITION.fullmatch(folder)
    return folder if partition is None else partition["value"]


def _another_file(path: Path, setting: str) -> RunError:
    """Make the error for a file that is no parquet file, with the command that makes one of it."""
    message = f"{setting} is {path}, which is no parquet file by its name"
    if (packed := packed_content(path, start_of(path))) is not None:
        return InvalidData(f"{setting} is {path}; {packed.what}, not a parquet file", help=packed.help)
    if (reader := OTHER_TABLES.get(path.suffix.lower())) is not None:
        return InvalidData(message, help=_conversion(reader, path))
    return InvalidData(message, help=f"give a file that ends in {SUFFIX}, or a folder of such files")


def _no_file(root: Path, setting: str, others: Counter[str]) -> RunError:
    """Make the error for a folder without parquet files; it says what is there instead."""
    listed = ", ".join(f"{count:,} {suffix or 'without a suffix'}" for suffix, count in others.most_common(SOME))
    message = f"{root}: found no parquet file" + (f"; found only files {listed}" if listed else "")
    if any(suffix in SUFFIXES for suffix in others):
        return DataNotFound(message, help="for a folder of image files, set data.dataset to folder")
    if ".npy" in others:
        return DataNotFound(message, help="for .npy files, set data.dataset to npy")
    for suffix, reader in OTHER_TABLES.items():
        if suffix in others:
            return DataNotFound(message, help=_conversion(reader, root / f"train{suffix}"))
    return DataNotFound(message, help=f"set {setting} to a parquet file, or to a folder of {EXPECTED}")


def _conversion(reader: str, path: Path) -> str:
    """The line of Python that makes a parquet file of another table."""
    opened = f'from_file("{path.name}")' if reader == "arrow" else f'from_{reader}("{path.name}")'
    return (
        "parquet files are taken; convert others with the package datasets: "
        f'`datasets.Dataset.{opened}.to_parquet("{path.with_suffix(SUFFIX).name}")`'
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SOME:,} more" if len(names) > SOME else ""
    return ", ".join(names[:SOME]) + more
