"""Names that people give to the folders of splits: `Train`, `testA`, `seg_train`, `val2017`, `TRAIN_DATA`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from hvaedsl_runtime.data.splits import VALIDATION_NAMES, PartName

OF_SPLIT: Mapping[PartName, frozenset[str]] = {
    "train": frozenset(("train", "training", "trainval")),
    "test": frozenset(("test", "testing", "eval", "holdout")),
    "validation": frozenset(("dev", "eval", "holdout", *VALIDATION_NAMES)),
}
SPLIT_WORDS = frozenset().union(*OF_SPLIT.values())
# A run of letters of one case, perhaps after a capital; all else (digits, `_`, `-`, `.`, spaces) separates words.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# A word in lower case right after an abbreviation: `VOCtest`.
AFTER_ABBREVIATION = re.compile(r"[A-Z]{2}([a-z]+)")


def split_words(name: str) -> frozenset[str]:
    """Return the split words in the name of a folder, in lower case: `train` in `trainA`, none in `trainer`.

    `trainset` and the like are the word before `set`.
    """
    words = (word.lower() for word in (*WORD.findall(name), *AFTER_ABBREVIATION.findall(name)))
    return frozenset(word.removesuffix("sets").removesuffix("set") for word in words) & SPLIT_WORDS


def is_split_name(name: str) -> bool:
    """Whether a folder of this name is refused as a class whatever is beside it, as `Train` and `testing` are."""
    return name.lower() in SPLIT_WORDS


def folders_of_splits(names: Iterable[str]) -> list[str]:
    """Return the names that have split words, in their order; empty unless two of them have different words.

    One such name may be a class (`test_tube` beside `cup`); two of them beside each other would, as classes, mix test
    images into the training images.
    """
    found = {name: words for name in names if (words := split_words(name))}
    return list(found) if len(set(found.values())) > 1 else []


def nested_splits(files: Iterable[str]) -> dict[str, list[str]]:
    """Return the folders, at any depth below a root, that hold folders of splits, each with the names of those.

    `files` are paths below the root, with /. Folders and names are in the order of the files.
    """
    inside: dict[PurePosixPath, dict[str, None]] = {}
    for folder in map(PurePosixPath, dict.fromkeys(file.rpartition("/")[0] for file in files)):
        for inner in (folder, *folder.parents):
            if len(inner.parts) > 1:
                inside.setdefault(inner.parent, {})[inner.name] = None
    return {str(folder): splits for folder, names in inside.items() if (splits := folders_of_splits(names))}


def folder_of_another_split(part: PartName, files: Iterable[str]) -> str | None:
    """Return the first folder inside that of a split whose name is another split's, as `test` in `train`; else None.

    `train/train/1.png`, as some archives have it, is of one split. `files` are paths below the split's folder, with /.
    """
    for folder in map(PurePosixPath, dict.fromkeys(file.rpartition("/")[0] for file in files)):
        for name, inner in zip(folder.parts, reversed([folder, *folder.parents][:-1]), strict=True):
            if is_split_name(name) and name.lower() not in OF_SPLIT[part]:
                return str(inner)
    return None
