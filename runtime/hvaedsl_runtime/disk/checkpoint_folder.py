"""The folder of a checkpoint: written aside, brought to the disk, renamed, read back; and verified before it is used.

`manifest.json` has the size and the SHA-256 of every file, and a checksum of its own. `state.json` has the spec and all
plain values, and each part of the state with tensors is a safetensors file: model, ema, optimizer.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.errors import DamagedRun, WriteError
from hvaedsl.diagnostics.refusals import NO_ROOM, NOT_THERE, refusals_explained
from hvaedsl_runtime.disk.checked_json import checked_text, read_checked
from hvaedsl_runtime.disk.checkpoint_names import MANIFEST, REPLACED, STATE, damaged_name, step_of
from hvaedsl_runtime.disk.safetensors_file import opened_safetensors
from hvaedsl_runtime.disk.snapshot import Snapshot
from hvaedsl_runtime.disk.state_parts import StateDict
from hvaedsl_runtime.disk.state_tree import Place, state_of
from hvaedsl_runtime.disk.whole_files import put_folder_in_place, sync_folder

FORMAT = 4
# A piece that is hashed and written at once. Meanwhile the interpreter's lock is free for the training thread.
CHUNK = 4 << 20
# So much of a file is brought to the disk at a time. Each is progress that can be seen, on the slowest disk too.
SYNCED = 256 << 20
# Room for the plain values and the file system's own records, beside the tensors.
MARGIN = 4 << 20
WAY_OUT = "restore it from a backup, or train into another folder with --out"


@dataclass(frozen=True)
class Noted:
    """What a manifest says beside its files: of the run when the checkpoint was saved.

    `best_step` is that of the lowest validation bound until then, 0 if there is none; `metrics_lines`, the length of
    the log.
    """

    step: int
    best_step: int = 0
    metrics_lines: int = 0


def check_room(folder: Path, needed: int) -> None:
    """Raise WriteError if the disk of a folder has too little room for a checkpoint of `needed` bytes of tensors."""
    with refusals_explained(folder):
        free = shutil.disk_usage(folder).free
    if free < needed + MARGIN:
        reason = f"{os.strerror(errno.ENOSPC)}: it needs {_mebibytes(needed + MARGIN)}, and {_mebibytes(free)} are free"
        raise WriteError(f"{folder}: a checkpoint cannot be written: {reason}", reason=reason, remedy=NO_ROOM)


def write_folder(
    folder: Path, spec: str, snapshot: Snapshot, noted: Noted, *, progress: Callable[[], object] = lambda: None
) -> None:
    """Write a state that was copied, as a checkpoint. A folder that is there already is replaced.

    If the process or the machine stops at any moment, the name is that of a complete checkpoint, or of none.
    `progress` is called after every piece that is written or read. Raises WriteError, also if what is then read back
    differs from what was written.
    """
    state = json.dumps({"format": FORMAT, "spec": spec, "state": snapshot.tree}, allow_nan=False).encode() + b"\n"
    with refusals_explained(folder):
        replaced = folder.with_name(f".{folder.name}{REPLACED}")
        with put_folder_in_place(folder) as temporary:
            files = {
                file.name: _written(temporary / file.name, file.chunks(CHUNK), progress) for file in snapshot.files
            }
            files[STATE] = _written(temporary / STATE, [state])
            about = {
                "format": FORMAT,
                **vars(noted),
                "versions": {"hvaedsl": hvaedsl.__version__, "torch": str(torch.__version__)},
                "files": files,
            }
            _written(temporary / MANIFEST, [checked_text(about, indent=2).encode() + b"\n"])
            sync_folder(temporary)
            if folder.exists():
                folder.rename(replaced)
        shutil.rmtree(replaced, ignore_errors=True)

    try:
        verify(folder, from_disk=True, progress=progress)
    except DamagedRun as error:
        aside = damaged_name(folder)
        folder.rename(aside)
        reason = "what was read back differs from what was written"
        raise WriteError(
            f"{folder}: cannot be written: {reason}; it is renamed to {aside.name} ({error})",
            reason=reason,
            remedy=f"check the disk and the memory of this machine; {NOT_THERE}",
        ) from error


def verify(folder: Path, *, from_disk: bool = False, progress: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Read every byte of a checkpoint, and return its manifest.

    Raises DamagedRun, naming the file, for a missing, truncated or changed one. With `from_disk`, what the system keeps
    in memory of the files is not relied on, where the system can do without.
    """
    manifest = read_checked(folder / MANIFEST, WAY_OUT, required=True)
    found = manifest.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise DamagedRun(
            f"{folder}: the checkpoint has format {found}; this version of hvaedsl reads formats up to {FORMAT}",
            help="a newer version wrote it: pip install --upgrade hvaedsl",
        )
    if step_of(folder) not in (None, manifest["step"]):
        raise DamagedRun(
            f"{folder}: it is the checkpoint of step {manifest['step']}, as its manifest says",
            help="give the folder the name of its step",
        )

    for name, about in manifest["files"].items():
        path = folder / name
        try:
            size = path.stat().st_size
            digest = _read(path, progress, from_disk=from_disk) if size == about["bytes"] else ""
        except FileNotFoundError as error:
            raise DamagedRun(f"{path} is missing", help=WAY_OUT) from error
        except OSError as error:
            raise DamagedRun(f"{path}: cannot be read: {error.strerror}", help=WAY_OUT) from error
        if size != about["bytes"]:
            raise DamagedRun(f"{path}: damaged: it has {size:,} bytes, and had {about['bytes']:,}", help=WAY_OUT)
        if digest != about["sha256"]:
            raise DamagedRun(f"{path}: damaged: its content differs from what was written", help=WAY_OUT)
    return manifest


def read_folder(folder: Path) -> tuple[str, StateDict]:
    """Verify a checkpoint as a whole, then return its spec and its state, on the CPU. Raises DamagedRun."""
    manifest = verify(folder)
    try:
        content = json.loads((folder / STATE).read_bytes())
        tensors: dict[Place, Tensor] = {}
        for name in manifest["files"]:
            if name.endswith(".safetensors"):
                with opened_safetensors(folder / name) as file:
                    part = name.removesuffix(".safetensors")
                    tensors |= {(part, key): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - a safetensors file is no mapping
        return content["spec"], state_of(content["state"], tensors.__getitem__)
    except (OSError, ValueError, LookupError, TypeError, safetensors.SafetensorError) as error:
        # What was written was not a state: all bytes are as they were written.
        raise DamagedRun(f"{folder}: the checkpoint cannot be used: {error}", help=WAY_OUT) from error


def _written(
    path: Path, chunks: Iterable[bytes | memoryview], progress: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Write a file to the disk, and return its size and the SHA-256 of what was in memory. Raises OSError."""
    digest, size, synced = hashlib.sha256(), 0, 0
    with path.open("wb", buffering=0) as file:
        for chunk in chunks:
            digest.update(chunk)
            left = memoryview(chunk)
            while left:
                left = left[file.write(left) :]
            size += len(chunk)
            if size - synced >= SYNCED:
                os.fsync(file.fileno())
                synced = size
            progress()
        os.fsync(file.fileno())
    progress()
    return {"bytes": size, "sha256": digest.hexdigest()}


def _read(path: Path, progress: Callable[[], object], *, from_disk: bool) -> str:
    """The SHA-256 of a file. Raises OSError."""
    digest, buffer = hashlib.sha256(), bytearray(CHUNK)
    with path.open("rb", buffering=0) as file:
        if from_disk and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
            progress()
    return digest.hexdigest()


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
