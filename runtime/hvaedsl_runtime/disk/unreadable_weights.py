"""Why a weight file cannot be read, found from its content; nothing in it is executed."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch

from hvaedsl_runtime.disk.foreign_content import ZIP, Foreign, foreign_content, packed_content, start_of

PICKLE = re.compile(rb"\x80[\x01-\x05]")
SAVE_STATE_DICT = "save the state dict alone, with torch.save(model.state_dict(), ...)"
GATHER = "gather sharded tensors before torch.save, for example with full_tensor()"
# What an object is, by the class or function that it needs, and the way out; others need a file without them.
KNOWN_OBJECTS = (
    (
        re.compile(r"numpy\.(_?core\.multiarray\._reconstruct|_?core\.numeric\._frombuffer|ndarray)$"),
        "is a numpy array",
        "convert numpy arrays to tensors with torch.from_numpy before torch.save; if they are not weights, "
        f"{SAVE_STATE_DICT}",
    ),
    (re.compile(r"numpy\._?core\.multiarray\.scalar$"), "is a numpy number", SAVE_STATE_DICT),
    (
        re.compile(r"torch\.nn\.parameter\.Uninitialized"),
        "has no shape yet, as in a lazy module",
        "pass a batch through the model, which gives all weights a shape, before torch.save",
    ),
    (re.compile(r"torch\.distributed\."), "", GATHER),
)
AGAIN = "download or copy it again"
DAMAGED = Foreign(
    "it is damaged, or has more than tensors and plain values",
    f"{AGAIN}; or, where it was written, {SAVE_STATE_DICT}",
)
# Of the pickle that is read to name an object; a state dict's is smaller, because tensors are stored beside it.
LARGEST_PICKLE = 2**26
OF_TENSORS = re.compile(r"torch\._utils\.|torch\.\w+$|torch\.storage\.|torch\._tensor\.|collections\.")
# Files in the archives of torch.export, of this version of torch and of earlier ones.
EXPORTED_PROGRAM = frozenset(("models/model.json", "serialized_exported_program.json"))
INSTEAD_OF_PROGRAM = (
    "name a file of weights: for a program of `hvaedsl export`, use the run itself, or write its weights with "
    "`hvaedsl export RUN --to safetensors`"
)
FORMATS = {
    b"\x93NUMPY": "an array of numpy",
    b"\x89HDF": "an HDF5 file, such as Keras writes",
    b"{": "JSON, such as the index of a model in several files",
}


def why_unreadable(path: Path, error: Exception, *, safetensors: bool = False) -> Foreign:
    """Say what a file is that could not be read as weights, and the way out; `error` is that of the reader."""
    start = start_of(path)
    found = foreign_content(start)
    if found is not None:
        return found
    if start.startswith(ZIP):
        return _zip_archive(path, named_safetensors=safetensors)
    if (packed := packed_content(path, start)) is not None:
        return packed
    if _begins_like_safetensors(start):
        return _safetensors(path, named_safetensors=safetensors)
    if PICKLE.match(start):
        return _old_pickle(error, named_safetensors=safetensors)
    for signature, name in FORMATS.items():
        if start.startswith(signature):
            return Foreign(f"it is {name}", "name a file of torch.save or safetensors")
    if safetensors:
        return _safetensors(path, named_safetensors=safetensors)
    return Foreign("its content is of no known format of weights", f"{AGAIN}, or name another file")


def foreign_object(path: Path) -> Foreign | None:
    """Name the first object in a file of torch.save that cannot be read without code; None if it is not known.

    It is named by the keys that lead to it and its class: `args` needs argparse.Namespace. The file is unpickled with
    placeholders for all classes and functions, so that nothing of it is executed.
    """
    # A file that torch refused may be damaged anywhere: any exception means that nothing is known.
    with suppress(Exception):
        # torch lists what it refuses only for zip archives. Older files have names of torch for the tensors.
        refused = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipfile.is_zipfile(path) else None
        objects = _objects(_skeleton(path), "")
        if refused is None:
            key, name = next((key, name) for key, name in objects if not OF_TENSORS.match(name))
        else:
            key, name = next(((key, name) for key, name in objects if name in refused), ("", min(refused)))
        is_what, way_out = next(
            ((is_what, way_out) for pattern, is_what, way_out in KNOWN_OBJECTS if pattern.match(name)),
            ("", SAVE_STATE_DICT),
        )
        return Foreign(f"{f'`{key}`' if key else 'the content'} {is_what or f'needs {name}'}", way_out)
    return None


class _Placeholder:
    """An object of a class that is not imported; whatever the pickle does to it is ignored."""

    name = ""
    arguments: tuple[Any, ...] = ()

    def __new__(cls, *arguments: Any, **_: Any) -> _Placeholder:
        """Keep the arguments."""
        made = super().__new__(cls)
        made.arguments = arguments
        return made

    def __setstate__(self, state: Any) -> None:
        """Ignore the state."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignore an item."""

    def append(self, value: Any) -> None:
        """Ignore an item."""

    def extend(self, values: Any) -> None:
        """Ignore items."""


class _PlainMapping(dict[Any, Any]):
    """In place of an OrderedDict, which may have attributes: a state dict of torch has `_metadata`."""


class _SkeletonReader(pickle.Unpickler):
    """Reads mappings, lists and plain values; every other class or function is a placeholder with its name."""

    def find_class(self, module: str, name: str) -> Any:
        """Import nothing."""
        if (module, name) == ("collections", "OrderedDict"):
            return _PlainMapping
        return type("Placeholder", (_Placeholder,), {"name": f"{module}.{name}"})

    def persistent_load(self, pid: Any) -> Any:
        """Read no tensor; earlier versions of torch put the classes of modules here too."""
        return pid[1] if pid[0] == "module" else None


def _skeleton(path: Path) -> Any:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return _first_content(file)
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        if archive.getinfo(name).file_size > LARGEST_PICKLE:
            return None
        with archive.open(name) as file:
            return _SkeletonReader(file).load()


def _first_content(file: BinaryIO) -> Any:
    """Skip what earlier versions of torch wrote before the content: a number, a version, and the machine's sizes."""
    found = _SkeletonReader(file).load()
    if isinstance(found, int):
        _, _, found = (_SkeletonReader(file).load() for _ in range(3))
    return found


def _objects(content: Any, key: str) -> Iterator[tuple[str, str]]:
    """The placeholders in a content, each with the keys that lead to it, joined by dots, and the name of its class."""
    if isinstance(content, _Placeholder):
        yield key, content.name
        for argument in content.arguments:
            yield from _objects(argument, key)
    elif isinstance(content, type) and issubclass(content, _Placeholder):
        yield key, content.name
    elif isinstance(content, Mapping):
        for name, value in content.items():
            yield from _objects(value, f"{key}.{name}" if key else str(name))
    elif isinstance(content, list | tuple | set):
        for index, value in enumerate(content):
            yield from _objects(value, f"{key}.{index}" if key else str(index))


def _zip_archive(path: Path, *, named_safetensors: bool) -> Foreign:
    if not zipfile.is_zipfile(path):
        return Foreign("it is truncated: its end is missing", AGAIN)
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        inside = {name.partition("/")[2] for name in names}
        if "constants.pkl" in inside or any(name.startswith("code/") for name in inside):
            return Foreign("it is a TorchScript program, which is code", SAVE_STATE_DICT)
        if EXPORTED_PROGRAM & {*names, *inside}:
            return Foreign("it is a program of torch.export, which is code", INSTEAD_OF_PROGRAM)
        if "data.pkl" not in inside:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            if names and all(name.endswith(".npy") for name in names):
                return Foreign(f"it is an .npz file of the arrays {shown.replace('.npy', '')}", _npz_conversion(path))
            packed = packed_content(path, ZIP[0])
            assert packed is not None
            return Foreign(f"it is a zip archive of {shown or 'nothing'}", f"{packed.help}, and name a file in it")
        if named_safetensors:
            return _rename("torch.save", ".pt")
    return DAMAGED


def _npz_conversion(path: Path) -> str:
    """The lines of Python that write the arrays of an .npz file as safetensors."""
    files = f"dict(numpy.load({str(path)!r})), {str(path.with_suffix('.safetensors'))!r}"
    return f"convert it in Python with `import numpy, safetensors.numpy; safetensors.numpy.save_file({files})`"


def _old_pickle(error: Exception, *, named_safetensors: bool) -> Foreign:
    if named_safetensors:
        return _rename("torch.save", ".pt")
    # Python's message if the pickle ends too early, and torch's if the tensors do.
    if isinstance(error, EOFError) or "truncated" in str(error) or "unexpected EOF" in str(error):
        return Foreign("it is truncated", AGAIN)
    return DAMAGED


def _begins_like_safetensors(start: bytes) -> bool:
    """Whether a file starts with the length of a header, below 2**32, and a JSON object."""
    return start[4:9] == b"\0\0\0\0{"


def _safetensors(path: Path, *, named_safetensors: bool) -> Foreign:
    """Compare the size of a file with the one that its header states; the header's length is in the first 8 bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        begins = file.read(1)
        if size < 9 or (begins == b"{" and 8 + length > size):
            return Foreign("it is truncated", AGAIN)
        if begins != b"{":
            return Foreign("its content is not of the safetensors format", f"{AGAIN}, or name another file")
        text = begins + file.read(length - 1)
    try:
        header = json.loads(text)
        ends = [item["data_offsets"][1] for name, item in header.items() if name != "__metadata__"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return Foreign("it is damaged", AGAIN)

    needed = 8 + length + max(ends, default=0)
    if size < needed:
        return Foreign(f"it is truncated: it has {size:,} of {needed:,} bytes", AGAIN)
    return Foreign("it is damaged", AGAIN) if named_safetensors else _rename("safetensors", ".safetensors")


def _rename(format_name: str, suffix: str) -> Foreign:
    return Foreign(f"its format is that of {format_name}, not that of its suffix", f"rename it to end in {suffix}")
