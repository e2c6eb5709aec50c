from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest

import hvaedsl
from hvaedsl.ir.bridge import Bridge

_ALTERNATING = ",".join(f"16{'xr'[i % 2]}{i + 1}" for i in range(60))

BRIDGES: dict[str, tuple[str, str, Mapping[int, int]]] = {
    "digits": ("8x2,8d2,4x1", "4x1,8m4,8x2", {}),
    "cifar10_ws": (
        "11*32r3,32d2,6*16r3,16d2,8x6,8d2,4x3,4d4,1x3",
        "1x1,4m1,4x2,8m4,8x5,16m8,10*16r3,32m16,21*32r3",
        {},
    ),
    "deep": (
        "6*32r12,32d2,4*16r12,16d2,6*8r12,8d2,3*4r12,4d4,3*1r12",
        "1r12,4m1,2*4r12,8m4,5*8r12,16m8,5*16r12,32m16,9*32r12",
        {},
    ),
    "single_resolution": ("32x29", "32x43", {}),
    "labels": ("3*8r1@g,8x2,8d2@g,4r2@h,4x1,4r2@h,4r3", "4r2@g,4x2,8m4@g,3*8r1@g,8r2@k,8x1", {}),
    "above_the_bottleneck": ("32x3,32d2,16x3,16d2,8x2,8d2,4x2", "8x2,16m8,16x2,32m16,32x2", {}),
    "jumps": ("32x3,32d2,16x3,16d2,8x2,8d2,4x2", "4x2,8x2,8r3,16m4,16x2,32m8,32x2,32m16", {}),
    "revisited": ("16x3,16d2,8x2,8d2,4x2", "4x2,8m4,4x1,8x2,8m4,16m8,16x2", {}),
    "wider_below": ("32x3,32d2,16d2,8x2,8d2,4x2", "4x2,8m4,8x3,16m8,16x2,32m16,32x2", {16: 32, 8: 64, 4: 64}),
    "nothing_before_d": ("8d2,4x1", "4x1,8m4", {}),
    "alternating_top": (f"{_ALTERNATING},16d2,8x1", f"8x1,16m8,{_ALTERNATING}", {}),
    "alternating_below": (f"32x1,32d2,{_ALTERNATING}", f"{_ALTERNATING},32m16,32x2", {}),
}


def _compile(encoder: str, decoder: str, widths: Mapping[int, int] | None = None) -> Bridge:
    first = re.match(r"(?:\d+\*)?(\d+)", encoder)
    assert first is not None
    resolution = int(first[1])
    table = ", ".join(f"{r}: {width}" for r, width in (widths or {}).items())
    return hvaedsl.loads(
        f"""hvae 1
        data {{ dataset = npy path = "images.npy" channels = 3 resolution = {resolution} }}
        model {{
          width = 16 latent = 4 bias_up_to = 16 widths = {{ {table} }}
          encoder = {encoder} decoder = {decoder}
        }}"""
    ).bridge


@pytest.fixture
def compile_bridge() -> Callable[[str], Bridge]:
    return lambda name: _compile(*BRIDGES[name])


@pytest.fixture(params=BRIDGES)
def bridge(request: pytest.FixtureRequest) -> Bridge:
    return _compile(*BRIDGES[request.param])
