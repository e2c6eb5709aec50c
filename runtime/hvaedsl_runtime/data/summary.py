"""Prepared images in words."""

from __future__ import annotations

from hvaedsl_runtime.data.prepared import PreparedSet


def summary(prepared: PreparedSet) -> str:
    """What a manifest says, for a person: a line for each array, then the origins, then the warnings."""
    manifest = prepared.manifest
    shape = f"{manifest.resolution}x{manifest.resolution}x{manifest.channels}"
    lines = [f"{prepared.folder}: {manifest.dataset}, {shape}, {manifest.levels} levels, uint8"]
    lines += [
        f"  {part}.npy: {record.count:,} images, {_size(record.bytes)}, mean {record.mean:.4f}, std {record.std:.4f}"
        for part, record in manifest.arrays.items()
    ]
    lines.append(f"  from: {manifest.layout}")
    for origin in manifest.origins:
        files = "" if origin.files == 1 else f"{origin.files:,} files, "
        lines.append(f"    {origin.path} ({files}{_size(origin.bytes)})")
    lines += [f"warning: {warning}" for warning in manifest.warnings]
    return "\n".join(lines)


def _size(size: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
