"""Weight files: safetensors, and torch's own (.th, .pt), read without running code from them and written whole."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from hvaedsl.diagnostics.errors import InvalidWeights, RunError, UsageError
from hvaedsl_runtime.disk.whole_files import put_in_place

SAFETENSORS = ".safetensors"
FORMAT = "1"
OS_ERROR = re.compile(r"\(os error (\d+)\)")


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors under their names, and `metadata` beside them; a killed process leaves the old file or the new one.

    Tensors may be on any device, and share memory: each is written in full. `format_version` is added to the metadata.
    Raises WriteError.
    """
    described = {"format": "pt", "format_version": FORMAT, **metadata}  # "pt": for the readers of other libraries
    with put_in_place(path) as temporary:
        try:
            save_file(_apart(tensors), temporary, described)
        except safetensors.SafetensorError as error:
            refusal = OS_ERROR.search(str(error))
            if refusal is None:
                raise
            raise OSError(int(refusal[1]), os.strerror(int(refusal[1]))) from error


def write_torch(path: Path, content: Mapping[str, object]) -> None:
    """Write tensors and plain values as torch.save does; whole or not at all. Raises WriteError."""
    # Into a file of Python's: of one that torch opens itself, it does not say why the system refuses.
    with put_in_place(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by name, on the CPU, and its metadata (none in torch's files).

    `.safetensors` is read as that, every other name as torch's. Raises UsageError where there is no such file, and
    RunError (5) for one that cannot be read, would run code, or holds something other than named tensors of numbers.
    """
    if path.suffix.lower() == SAFETENSORS:
        tensors, metadata = _read_safetensors(path)
    else:
        tensors, metadata = _state_dict(path, read_torch(path)), {}
    if not tensors:
        raise InvalidWeights(f"{path}: holds no tensors", help="name a file of weights")
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.layout is not torch.strided:
            raise InvalidWeights(
                f"{path}: {name} holds no floating-point numbers ({tensor.dtype})",
                help="quantised and sparse weights are not read; name a file of float weights",
            )
    return tensors, metadata


def read_torch(path: Path) -> object:
    """What torch.save wrote, its tensors on the CPU; only tensors and plain values are unpickled.

    Raises UsageError where there is no such file, and RunError (5) for one that cannot be read.
    """
    _check_readable(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about files that torch did not write: the error says more
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not _begins_like_torch(path):
            raise _damaged(path, error) from error
        # Not torch's text: it advises to load the file in a way that runs code.
        raise InvalidWeights(
            f"{path}: refused, since it may hold more than tensors and plain values: reading that could run code",
            help="save the state dict alone, with torch.save(model.state_dict(), ...); or the file is damaged",
        ) from error
    except Exception as error:  # on a damaged file the reader runs into nearly any
        raise _damaged(path, error) from error
    return content


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    _check_readable(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except Exception as error:  # SafetensorError, or a type that this version of torch does not know
        raise _damaged(path, error) from error


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise InvalidWeights(f"{path}: cannot be read: {error.strerror}", help="name a file of weights") from None


def _begins_like_torch(path: Path) -> bool:
    """Whether it is a zip archive, or the pickle of older versions of torch."""
    with path.open("rb") as file:
        return file.read(2)[:1] in (b"P", b"\x80")


def _state_dict(path: Path, content: object) -> dict[str, Tensor]:
    """The tensors of a state dict; RunError (5), saying what it looks like, for something else."""
    if isinstance(content, Mapping) and all(isinstance(value, Tensor) for value in content.values()):
        return {str(name): tensor for name, tensor in content.items()}
    if isinstance(content, Mapping) and {"state", "param_groups"} <= set(content):
        raise InvalidWeights(f"{path}: holds the state of an optimiser, no weights", help="give it with --optimizer")
    if isinstance(content, Mapping) and {"format", "spec", "ema"} <= set(content):
        raise InvalidWeights(
            f"{path}: is the checkpoint of a run folder, no file of weights",
            help=f"write its weights with: hvaedsl convert {path.parent.parent} --to weights{SAFETENSORS}",
        )
    found = f"a mapping with {', '.join(map(repr, list(content)[:4]))}" if isinstance(content, Mapping) else ""
    raise InvalidWeights(
        f"{path}: holds {found or type(content).__name__}, no names with tensors",
        help="save the state dict alone, with torch.save(model.state_dict(), ...)",
    )


def _damaged(path: Path, error: Exception) -> RunError:
    cut = isinstance(error, EOFError | BadZipFile) or "central directory" in str(error)
    return InvalidWeights(
        f"{path}: cannot be read ({'it ends too early' if cut else type(error).__name__})",
        help="the file is damaged, was not fetched whole, or is of another kind than its name says",
    )


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, each in memory of its own, as safetensors asks."""
    apart: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        alone = tensor.detach().cpu().contiguous()
        place = alone.untyped_storage().data_ptr()
        apart[name] = alone.clone() if place in places else alone
        places.add(place)
    return apart
