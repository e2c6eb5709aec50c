"""Files that are no weights: one error, which says what the file is and names a way out; no code of it is run."""

from __future__ import annotations

import argparse
import gzip
import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from hvaedsl.diagnostics.errors import DamagedRun, InvalidWeights, RunError, UsageError
from hvaedsl_runtime.disk.checkpoint import load_checkpoint
from hvaedsl_runtime.disk.weights import check_dense, read_weights

TENSORS = {"a.weight": torch.ones(300, 2), "a.bias": torch.ones(2)}
AGAIN = "download or copy it again"


def saved(content: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


TORCH, OLD, SAFETENSORS = saved(TENSORS), saved(TENSORS, _use_new_zipfile_serialization=False), save(TENSORS)


def packed(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.th", content)
    return buffer.getvalue()


def refused(path: Path, content: bytes | None = None) -> RunError:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidWeights) as caught:
        read_weights(path)
    assert caught.value.exit_code == 5
    assert "weights_only" not in caught.value.report  # torch's advice to run the code all the same
    assert "Error" not in caught.value.report  # the name of an exception is no reason
    assert caught.value.help
    return caught.value


@pytest.mark.parametrize("name", ["w.npz", "of 'someone' w.npz"])
def test_the_help_for_an_npz_file_converts_it(tmp_path: Path, name: str) -> None:
    arrays: dict[str, Any] = {key: tensor.numpy() for key, tensor in TENSORS.items()}
    arrays["c.weight"] = np.ones((2, 3), order="F")
    np.savez(tmp_path / name, **arrays)
    error = refused(tmp_path / name)
    assert "it is an .npz file of the arrays a.weight, a.bias, c.weight" in str(error)
    code = re.search("`(.*)`", error.help)
    assert code is not None
    exec(code[1], {})
    read = read_weights((tmp_path / name).with_suffix(".safetensors"))[0]
    assert {key: tensor.tolist() for key, tensor in read.items()} == {key: a.tolist() for key, a in arrays.items()}


@pytest.mark.parametrize("name", ["w.th", "w.safetensors"])
@pytest.mark.parametrize(
    ("content", "what", "way_out"),
    [
        (b"", "it is empty", AGAIN),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "a Git LFS pointer", "git lfs pull"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "a web page", "download the file itself"),
        (gzip.compress(TORCH), "compressed with gzip", "gunzip "),
        (packed(TORCH), "a zip archive of model.th", "unzip "),
        (b'{"metadata": {"total_size": 3}}', "it is JSON", "name a file of torch.save or safetensors"),
        (b"\x93NUMPY\x01\0" + bytes(90), "an array of numpy", "name a file of torch.save or safetensors"),
        (b"hello", "truncated|no known format", AGAIN),
        (bytes(range(1, 200)), "no known format|not of the safetensors format", "name another file"),
    ],
    ids=["empty", "lfs", "html", "gzip", "zip", "json", "npy", "text", "bytes"],  # the contents have dates in them
)
def test_a_file_of_another_kind_is_recognized(
    tmp_path: Path, name: str, content: bytes, what: str, way_out: str
) -> None:
    error = refused(tmp_path / name, content)
    assert any(words in str(error) for words in what.split("|")), str(error)
    assert "cannot be read" in str(error)
    assert way_out in error.help


@pytest.mark.parametrize(
    ("name", "whole"),
    [("w.th", TORCH), ("w.pt", OLD), ("w.safetensors", SAFETENSORS)],
    ids=["torch", "old", "safetensors"],
)
@pytest.mark.parametrize("kept", [4, 20, 0.5, 0.99])
def test_a_truncated_file_is_called_so(tmp_path: Path, name: str, whole: bytes, kept: float) -> None:
    error = refused(tmp_path / name, whole[: int(kept if kept > 1 else kept * len(whole))])
    assert "it is truncated" in str(error)
    assert error.help == AGAIN


def test_the_missing_bytes_are_counted(tmp_path: Path) -> None:
    size = len(SAFETENSORS)
    assert f"it has {size - 9:,} of {size:,} bytes" in str(refused(tmp_path / "w.safetensors", SAFETENSORS[:-9]))


def test_another_suffix_is_proposed(tmp_path: Path) -> None:
    for name, content, suffix in (
        ("w.safetensors", TORCH, ".pt"),
        ("w.safetensors", OLD, ".pt"),
        ("w.th", SAFETENSORS, ".safetensors"),
    ):
        assert refused(tmp_path / name, content).help == f"rename it to end in {suffix}"


def test_a_damaged_file_is_called_so(tmp_path: Path) -> None:
    for name, whole, at in (
        ("w.th", TORCH, TORCH.index(b"data.pkl") + 60),
        ("w.pt", OLD, 40),
        ("w.safetensors", SAFETENSORS, 12),
    ):
        changed = bytearray(whole)
        changed[at] ^= 255
        assert "it is damaged" in str(refused(tmp_path / name, bytes(changed)))


def test_a_script_is_code(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"model/{name}", b"")
    assert "TorchScript" in str(refused(tmp_path / "w.pt"))


def test_an_exported_program_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "z.pt2"
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), path)
    error = refused(path)
    assert "it is a program of torch.export" in str(error)
    assert "hvaedsl export RUN --to safetensors" in error.help
    with zipfile.ZipFile(path, "w") as archive:  # of earlier versions of torch
        archive.writestr("serialized_exported_program.json", "{}")
    assert "it is a program of torch.export" in str(refused(path))


class Custom:
    """A class of the program that wrote a file."""


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"a": torch.ones(2), "args": argparse.Namespace(x=1)}, "`args` needs argparse.Namespace"),
        ({"model": nn.Linear(2, 2).state_dict(), "args": argparse.Namespace(x=1)}, "`args` needs argparse.Namespace"),
        ({"state_dict": TENSORS, "log": {"seen": [1, Custom()]}}, f"`log.seen.1` needs {__name__}.Custom"),
        ({"model": nn.Linear(2, 2)}, "`model` needs torch.nn.modules.linear.Linear"),
        (nn.Linear(2, 2), "the content needs torch.nn.modules.linear.Linear"),
    ],
)
def test_an_object_that_is_not_plain_is_named(tmp_path: Path, content: object, named: str, zipped: bool) -> None:
    error = refused(tmp_path / "w.th", saved(content, _use_new_zipfile_serialization=zipped))
    assert f"not read: {named};" in str(error)
    assert "torch.save(model.state_dict(), ...)" in error.help


@pytest.mark.parametrize("zipped", [True, False])
def test_numpy_arrays_are_to_be_converted(tmp_path: Path, zipped: bool) -> None:
    arrays: dict[str, Any] = {key: tensor.numpy() for key, tensor in TENSORS.items()}
    options = {"_use_new_zipfile_serialization": zipped}
    for content, key in ((arrays, ""), ({"step": 3, "model": arrays}, "model."), ({**TENSORS, **arrays}, "")):
        error = refused(tmp_path / "w.th", saved(content, **options))
        assert f"not read: `{key}a.weight` is a numpy array;" in str(error)
        assert error.help.startswith("convert numpy arrays to tensors with torch.from_numpy before torch.save; if they")
    converted = {key: torch.from_numpy(array) for key, array in arrays.items()}
    (tmp_path / "w.th").write_bytes(saved(converted, **options))
    assert read_weights(tmp_path / "w.th")[0].keys() == TENSORS.keys()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_numpy_arrays_in_a_pickle_are_to_be_converted(tmp_path: Path, protocol: int) -> None:
    error = refused(tmp_path / "w.pkl", pickle.dumps({"a.weight": np.ones((2, 3))}, protocol))
    assert "`a.weight` is a numpy array" in str(error)


@pytest.mark.parametrize("zipped", [True, False])
def test_numpy_numbers_are_named(tmp_path: Path, zipped: bool) -> None:
    content = {**TENSORS, "lr": np.float64(0.1)}
    error = refused(tmp_path / "w.th", saved(content, _use_new_zipfile_serialization=zipped))
    assert "`lr` is a numpy number" in str(error)
    assert error.help.startswith("save the state dict alone")


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(marker),)

    for content in (
        saved({"a": Payload()}),
        saved({"a": Payload()}, _use_new_zipfile_serialization=False),
        pickle.dumps(Payload()),
        pickle.dumps([{"a": Payload()}]),
    ):
        assert f"{os.mkdir.__module__}.mkdir" in (said := str(refused(tmp_path / "w.th", content)))
        assert "could run code" in said
    assert not marker.exists()


def test_a_pickle_that_contains_itself_is_refused(tmp_path: Path) -> None:
    around: list[object] = [Custom()]
    around.append(around)
    assert "needs" in str(refused(tmp_path / "w.th", saved({"a": around})))


@pytest.mark.parametrize(
    ("make", "says", "way_out"),
    [
        (lambda: torch.empty(3, device="meta"), "on the device meta, where a tensor has no values", "to_empty"),
        (lambda: torch.eye(3).to_sparse(), "sparse (torch.sparse_coo)", "to_dense()"),
        (lambda: torch.eye(3).to_sparse_csr(), "sparse (torch.sparse_csr)", "to_dense()"),
        (
            lambda: torch.quantize_per_tensor(torch.ones(3), 1, 0, torch.qint8),
            "quantized (torch.qint8)",
            "dequantize",
        ),
        (lambda: torch.ones(3, dtype=torch.complex64), "torch.complex64; it must have a floating-point", "float()"),
        (lambda: torch.ones(3, dtype=torch.int64), "torch.int64; it must have a floating-point", "float()"),
        (lambda: torch.ones(3).to(torch.float8_e4m3fn), "quantized (torch.float8_e4m3fn), with scales", "quantized"),
        (lambda: torch.ones(3).to(torch.float8_e5m2fnuz), "quantized (torch.float8_e5m2fnuz)", "quantized"),
        (lambda: torch.zeros(3, dtype=torch.float4_e2m1fn_x2), "quantized (torch.float4_e2m1fn_x2)", "quantized"),
        (lambda: torch.ones(3).untyped_storage(), "`w` is ", "state_dict"),
        (lambda: nn.UninitializedParameter(), "`w` has no shape yet, as in a lazy module", "pass a batch through"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # about features of torch that will go
def test_a_tensor_without_plain_values_is_named(
    tmp_path: Path, make: Callable[[], object], says: str, way_out: str
) -> None:
    error = refused(tmp_path / "w.th", saved({"a": torch.ones(2), "w": make()}))
    assert says in str(error)
    assert way_out in error.help


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"}", b""), (b"ccollections\nOrderedDict\n)R", b"}X\x09\0\0\0_metadata}sb")],
    ids=["dict", "state dict of a module"],
)
def test_a_sharded_tensor_is_to_be_gathered(tmp_path: Path, before: bytes, after: bytes) -> None:
    # {"w": ShardedTensor}, written as a pickle by hand: a tensor of this class needs a process group.
    module = "torch.distributed._shard.sharded_tensor.api"
    item = b"X\x01\0\0\0wc" + f"{module}\nShardedTensor\ns".encode()
    error = refused(tmp_path / "w.th", b"\x80\x02" + before + item + after + b".")
    assert f"`w` needs {module}.ShardedTensor" in str(error)
    assert "full_tensor()" in error.help


def test_a_tensor_of_another_class_is_refused() -> None:
    class DTensor(Tensor):
        """As that of torch.distributed, which torch reads once its module was imported."""

    with pytest.raises(InvalidWeights, match="w is a DTensor; it must be an ordinary tensor") as caught:
        check_dense({"a": nn.Parameter(torch.ones(2)), "w": torch.ones(2).as_subclass(DTensor)}, Path("w.th"))
    assert "full_tensor()" in caught.value.help


def test_a_checkpoint_in_parts_is_to_be_joined(tmp_path: Path) -> None:
    folder = tmp_path / "step 4"
    folder.mkdir()
    for name in (".metadata", "__0_0.distcp"):
        (folder / name).write_bytes(TORCH)
    for path in (folder, folder / ".metadata", folder / "__0_0.distcp"):
        error = refused(path)
        assert "a checkpoint in parts" in str(error)
        assert f"dcp_to_torch '{folder}' weights.pt" in error.help


def test_the_error_for_a_file_without_weights_says_what_it_is(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    cases: list[tuple[object, str, str]] = [
        (torch.optim.AdamW(model.parameters()).state_dict(), "state of an optimizer", "--optimizer"),
        ({"format": 2, "spec": "hvae 1", "ema": {}}, "run folder", "convert"),
        ({"epoch": 3, "lr": 0.1}, "'epoch', 'lr'", "state_dict"),
        ({"a": torch.ones(2), "lr": 0.1}, "`lr` is float", "state_dict"),
        ([1, 2], "list", "state_dict"),
        ({}, "no tensors", "weight file"),
    ]
    for content, words, way_out in cases:
        error = refused(tmp_path / "w.th", saved(content))
        assert words in str(error)
        assert way_out in error.help


def test_a_missing_file_and_a_folder_are_one_error(tmp_path: Path) -> None:
    for name in ("w.th", "w.safetensors"):
        with pytest.raises(UsageError, match="no such file"):
            read_weights(tmp_path / name)
        (tmp_path / name).mkdir()
        assert "cannot be read: it is a folder" in str(refused(tmp_path / name))


def test_a_closed_file_names_its_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path, *_: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", closed)
    error = refused(tmp_path / "w.th")
    assert "cannot be read: Permission denied" in str(error)
    assert "permissions" in error.help


@pytest.mark.parametrize(
    ("content", "what"), [(b"version https://git-lfs", "a Git LFS pointer"), (TORCH[:-40], "it is truncated")]
)
def test_a_checkpoint_says_the_same_of_its_file(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(DamagedRun, match=f"the checkpoint cannot be read: .*{what}") as caught:
        load_checkpoint(tmp_path / "last.pt")
    assert "restore it from a backup" in caught.value.help
