"""Weight files: safetensors and torch's own (.th, .pt). Reading runs no code from them; writing is atomic."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import Parameter

from hvaedsl.diagnostics.errors import InvalidWeights, RunError, UsageError
from hvaedsl.diagnostics.shell import command_line, path_word
from hvaedsl.diagnostics.unicode_forms import other_form
from hvaedsl_runtime.disk.foreign_content import Foreign
from hvaedsl_runtime.disk.safetensors_file import opened_safetensors
from hvaedsl_runtime.disk.unreadable_weights import GATHER, SAVE_STATE_DICT, foreign_object, why_unreadable
from hvaedsl_runtime.disk.whole_files import put_in_place

SAFETENSORS = ".safetensors"
# Of safetensors files. 1: a parameter's name had the label of its block; 2: the position of its block.
FORMAT = 2
# Files of a checkpoint of torch.distributed: the suffix of its parts, and the name of the list of its tensors.
SHARD, SHARDS_METADATA = ".distcp", ".metadata"
OS_ERROR = re.compile(r"\(os error (\d+)\)")


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write named tensors and `metadata`. A killed process leaves the old file or the new one.

    Tensors may be on any device and share memory; each is written in full. `format_version` is added to the metadata.
    Raises WriteError.
    """
    described = {"format": "pt", "format_version": str(FORMAT), **metadata}  # "pt" is what other libraries expect
    with put_in_place(path) as temporary:
        try:
            save_file(_apart(tensors), temporary, described)
        except safetensors.SafetensorError as error:
            refusal = OS_ERROR.search(str(error))
            if refusal is None:
                raise
            raise OSError(int(refusal[1]), os.strerror(int(refusal[1]))) from error


def write_torch(path: Path, content: Mapping[str, object]) -> None:
    """Write tensors and plain values with torch.save, whole or not at all. Raises WriteError."""
    # Through Python's file: for one that torch opens itself, its error lacks the system's reason.
    with put_in_place(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a file by name, onto the CPU, and its metadata (none in torch's files).

    Raises UsageError for a missing file, and InvalidWeights for one that cannot be read, has a newer format, would run
    code, or has anything but named floating-point tensors.
    """
    tensors, metadata = read_tensors(path)
    check_dense(tensors, path)
    return tensors, metadata


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors of any type as `read_weights` does.

    Files with any suffix other than `.safetensors` are read as torch's. There, the mappings and lists inside a larger
    checkpoint are read too: a tensor's name then begins with the keys that lead to it, such as `state_dict.`.
    """
    if path.suffix.lower() == SAFETENSORS:
        tensors, metadata = _read_safetensors(path)
        _check_format(path, metadata)
    else:
        tensors, metadata = _state_dict(path, read_torch(path)), {}
    if not tensors:
        raise InvalidWeights(f"{path}: no tensors in it", help="name a weight file")
    return tensors, metadata


def check_dense(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise InvalidWeights unless all tensors have values, are dense and of floating-point types."""
    for name, tensor in tensors.items():
        problem = not_dense(tensor)
        if problem is not None:
            raise InvalidWeights(f"{path}: {name} {problem.what}", help=problem.help)


def not_dense(tensor: Tensor) -> Foreign | None:
    """Say why the values of a tensor cannot be used as weights, and the way out; None if they can."""
    if type(tensor) not in (Tensor, Parameter):  # a subclass that torch allows, once its module was imported
        return Foreign(f"is a {type(tensor).__name__}; it must be an ordinary tensor", GATHER)
    if tensor.is_meta:
        return Foreign(
            "is on the device meta, where a tensor has no values",
            "save the weights after they have got values: of a model built on the device meta, call to_empty and load "
            "its weights before torch.save",
        )
    if tensor.layout is not torch.strided:
        return Foreign(
            f"is sparse ({tensor.layout}); it must be dense", "call to_dense() on such tensors before torch.save"
        )
    # Floating-point types of a byte are used with scales, which are other tensors: without them, weights are wrong.
    if tensor.is_floating_point() and tensor.dtype.itemsize == 1:
        return Foreign(
            f"is quantized ({tensor.dtype}), with scales elsewhere; it must have 16 bits or more",
            "save the weights of the model before it was quantized, or multiply such tensors by their scales",
        )
    if tensor.is_quantized:
        return Foreign(
            f"is quantized ({tensor.dtype}); it must have floating-point values",
            "save the weights of the model before it was quantized, or call dequantize() on such tensors",
        )
    if not tensor.is_floating_point():
        return Foreign(
            f"is {tensor.dtype}; it must have a floating-point type",
            "convert such tensors with float() before torch.save, if their values are weights",
        )
    return None


def read_torch(path: Path) -> object:
    """Read what torch.save wrote, onto the CPU; only tensors and plain values are unpickled.

    Raises UsageError for a missing file, and InvalidWeights for one that cannot be read.
    """
    _check_readable(path)
    if path.suffix == SHARD or path.name == SHARDS_METADATA:
        raise _folder(path.parent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about files that torch did not write; the error is more precise
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise nearly any
        # Without torch's own text, which advises to load the file in a way that runs code.
        if isinstance(error, pickle.UnpicklingError) and (found := foreign_object(path)):
            raise InvalidWeights(
                f"{path}: not read: {found.what}; only tensors and plain values are read, as others could run code",
                help=found.help,
            ) from error
        raise _unreadable(path, error) from error
    return content


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    _check_readable(path)
    try:
        with opened_safetensors(path) as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118 - a safetensors file is no mapping
    except Exception as error:  # SafetensorError, or that of a type unknown to this version of torch
        raise _unreadable(path, error, safetensors=True) from error


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    """Raise InvalidWeights for a file that a newer version of hvaedsl wrote in another format."""
    version = metadata.get("format_version", "")
    if "hvaedsl_version" in metadata and version.isdecimal() and int(version) > FORMAT:
        raise InvalidWeights(
            f"{path}: has format {version}; this version of hvaedsl reads formats up to {FORMAT}",
            help="a newer version wrote it: pip install --upgrade hvaedsl",
        )


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except FileNotFoundError:
        other = other_form(path)
        raise UsageError(f"{path}: no such file", help=other.help if other else "") from None
    except IsADirectoryError:
        raise _folder(path) from None
    except OSError as error:
        raise InvalidWeights(
            f"{path}: cannot be read: {error.strerror}", help="check its permissions, and those of its folder"
        ) from None


def _state_dict(path: Path, content: object) -> dict[str, Tensor]:
    """The tensors of a state dict. Raises InvalidWeights, with a guess at what it is, for anything else."""
    if isinstance(content, Mapping) and all(isinstance(value, Tensor) for value in content.values()):
        return {str(name): tensor for name, tensor in content.items()}
    if isinstance(content, Mapping) and {"state", "param_groups"} <= set(content):
        raise InvalidWeights(f"{path}: the state of an optimizer, not weights", help="give it with --optimizer")
    if isinstance(content, Mapping) and {"format", "spec", "ema"} <= set(content):
        raise InvalidWeights(
            f"{path}: the checkpoint of a run folder, not a weight file",
            help="write its weights with: "
            + command_line("hvaedsl", "convert", path.parent.parent, "--to", f"weights{SAFETENSORS}"),
        )
    if isinstance(content, Mapping):
        nested = dict(_nested(content))
        beside = sum(isinstance(value, Tensor) for value in content.values())
        if len(nested) > beside:
            return nested
    if isinstance(content, Mapping) and any(isinstance(value, Tensor) for value in content.values()):
        key, value = next((key, value) for key, value in content.items() if not isinstance(value, Tensor))
        raise InvalidWeights(
            f"{path}: `{key}` is {type(value).__name__}; a weight file must be a mapping from names to tensors",
            help=SAVE_STATE_DICT,
        )
    found = f"a mapping with {', '.join(map(repr, list(content)[:4]))}" if isinstance(content, Mapping) else ""
    raise InvalidWeights(
        f"{path}: {found or type(content).__name__}; a weight file must be a mapping from names to tensors",
        help=SAVE_STATE_DICT,
    )


def _nested(content: object, around: tuple[object, ...] = ()) -> Iterator[tuple[str, Tensor]]:
    """The tensors in the mappings and lists of a checkpoint, at any depth, by the keys that lead to them.

    The states of optimizers are left out. `around` has the mappings and lists that contain `content`: a file can have
    one that contains itself.
    """
    if isinstance(content, Mapping) and not {"state", "param_groups"} <= set(content):
        items = [(str(key), value) for key, value in content.items()]
    elif isinstance(content, list | tuple) and all(map(_is_item, content)):  # list(state_dict.items())
        items = list(content)
    elif isinstance(content, list | tuple):
        items = [(str(index), value) for index, value in enumerate(content)]
    else:
        return

    around = (*around, content)
    for key, value in items:
        if isinstance(value, Tensor):
            yield key, value
        elif not any(value is outer for outer in around):
            yield from ((f"{key}.{name}", tensor) for name, tensor in _nested(value, around))


def _is_item(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], Tensor)


def _unreadable(path: Path, error: Exception, *, safetensors: bool = False) -> RunError:
    reason = why_unreadable(path, error, safetensors=safetensors)
    return InvalidWeights(f"{path}: cannot be read: {reason.what}", help=reason.help)


def _folder(path: Path) -> RunError:
    """The error for a folder, which may be a checkpoint that several processes wrote."""
    if next(path.glob(f"*{SHARD}"), None) is None:
        return InvalidWeights(f"{path}: cannot be read: it is a folder", help="name a weight file in it")
    return InvalidWeights(
        f"{path}: cannot be read: it is a checkpoint in parts ({SHARD}), which several processes wrote",
        help="join them first: python -m torch.distributed.checkpoint.format_utils dcp_to_torch "
        f"{path_word(path)} weights.pt",
    )


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none sharing memory, as safetensors requires."""
    apart: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        alone = tensor.detach().cpu().contiguous()
        place = alone.untyped_storage().data_ptr()
        apart[name] = alone.clone() if place in places else alone
        places.add(place)
    return apart
