"""Whose weights a file holds: by names and shapes, ours or those of the published code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.errors import InvalidWeights, SpecError, WeightsMismatch
from hvaedsl.ir.cells import CELLS
from hvaedsl.lowering.names import parameter_shapes, published_parameters
from hvaedsl.program import Program
from hvaedsl.shipped import shipped

Names = Literal["published", "ours"]
Shapes = Mapping[str, tuple[int, ...]]

# DistributedDataParallel puts it before every name; the published code saves its model wrapped.
WRAPPED = "module."
SHOWN = 3


@dataclass(frozen=True)
class Layout:
    """The names that a state dict of a program may have, each with the parameter of ours that it stands for."""

    names: Names
    parameter: Mapping[str, str]
    shapes: Shapes  # of our parameters

    @property
    def required(self) -> dict[str, str]:
        """Our parameters, and the name that must be there for each: of a shared block, that of its first use."""
        first: dict[str, str] = {}
        for name, ours in self.parameter.items():
            first.setdefault(ours, name)
        return first


def layout_of(program: Program, names: Names) -> Layout:
    """The layout of a program's state dict. Raises RunError (5) where it has no published names."""
    shapes = parameter_shapes(program.bridge)
    if names == "ours":
        return Layout(names, {name: name for name in shapes}, shapes)
    parameter = published_parameters(program.bridge)
    if not parameter:
        known = [name for name, parts in CELLS.items() if parts.published]
        model = program.spec.model
        lacking = f"the likelihood {model.likelihood}" if model.cell in known else model.cell
        raise WeightsMismatch(
            f"the published code has names for the cells {' and '.join(known)}, not for {lacking}",
            help="--names ours writes hvaedsl's own names, and files with those are read as well",
        )
    return Layout(names, parameter, shapes)


def renamed(program: Program, names: Names, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict under other names; of a shared block once for each application. Raises as `layout_of` does."""
    return {name: weights[ours] for name, ours in layout_of(program, names).parameter.items()}


def as_ours(program: Program, tensors: Mapping[str, Tensor], path: Path) -> tuple[dict[str, Tensor], Names]:
    """The tensors of a file under our names, and whose names they had; with `module.` before them or not.

    Of a shared block the first application's suffice. Raises RunError (5), naming what differs and the shipped specs
    that fit, unless the file has every parameter in the program's shape and nothing else.
    """
    given = unwrapped(tensors, path)
    names = names_of(given)
    layout = layout_of(program, names)
    _check_fit(program, layout, given, path)
    found = {ours: given[name] for ours, name in layout.required.items()}
    for name, tensor in given.items():
        first = found[layout.parameter[name]]
        if tensor is not first and not torch.equal(tensor, first):
            raise WeightsMismatch(
                f"{path}: {name} and {layout.required[layout.parameter[name]]} differ, and {program.name} has one "
                "block for both",
                help="the weights were trained without sharing: write the blocks with x where the spec has r",
            )
    return {ours: found[ours] for ours in layout.shapes}, names


def unwrapped(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors without `module.` before their names. Raises RunError (5) where two would get one name."""
    given = {name.removeprefix(WRAPPED): tensor for name, tensor in tensors.items()}
    if len(given) < len(tensors):
        twice = next(name for name in tensors if WRAPPED + name in tensors)
        raise InvalidWeights(f"{path}: holds {twice} with {WRAPPED} before it and without", help="keep one")
    return given


def names_of(tensors: Mapping[str, Tensor]) -> Names:
    """Whose names these are; of a file that is neither's, the published code's."""
    ours = ("encoder.stem.", "encoder.blocks.", "decoder.blocks.", "decoder.states.", "likelihood.")
    return "ours" if any(name.startswith(ours) for name in tensors) else "published"


def _check_fit(program: Program, layout: Layout, given: Mapping[str, Tensor], path: Path) -> None:
    missing = [name for name in layout.required.values() if name not in given]
    unknown = [name for name in given if name not in layout.parameter]
    reshaped = [
        f"{name} is {list(tensor.shape)} in the file and {list(shape)} in the model"
        for name, tensor in given.items()
        if name in layout.parameter and tuple(tensor.shape) != (shape := layout.shapes[layout.parameter[name]])
    ]
    told = [
        f"{len(items)} {what} ({'; '.join(items[:SHOWN])}{'; ...' if len(items) > SHOWN else ''})"
        for items, what in ((missing, "missing"), (unknown, "unknown"), (reshaped, "of another shape"))
        if items
    ]
    if not told:
        return
    fitting = fitting_specs({name: tuple(tensor.shape) for name, tensor in given.items()})
    if fitting:
        way_out = f"of the shipped specs, its names and shapes are those of {', '.join(fitting)}"
    elif len(missing) == len(layout.required):
        way_out = "it holds no weights of such a model; name the model's file, and not that of something else"
    else:
        way_out = f"the file has {_described(given)}; no shipped spec has these shapes"
    raise WeightsMismatch(
        f"{path} does not hold the weights of {program.name}; of {len(layout.required)} parameters: {'; '.join(told)}",
        help=way_out,
    )


def fitting_specs(given: Shapes) -> list[str]:
    """The shipped specs whose state dict, under our names or the published ones, has exactly these names and shapes."""
    found: list[str] = []
    for file in sorted(shipped("specs").rglob("*.hvae")):
        try:
            program = hvaedsl.load(file)
        except SpecError:  # a base alone
            continue
        shapes = parameter_shapes(program.bridge)
        published = {name: shapes[ours] for name, ours in published_parameters(program.bridge).items()}
        if given in (published, shapes):
            found.append(file.relative_to(shipped("specs")).with_suffix("").as_posix())
    return found


def _described(given: Mapping[str, Tensor]) -> str:
    """What the names and shapes of a file say of its model."""
    parts: list[str] = []
    for stem in ("encoder.in_conv.weight", "encoder.stem.weight"):
        if stem in given and given[stem].ndim == 4:
            parts.append(f"width {given[stem].shape[0]} for images of {given[stem].shape[1]} channels")
    for stack, singular in (("enc_blocks", "encoder block"), ("dec_blocks", "decoder block")):
        count = len({name.split(".")[2] for name in given if name.split(".")[1:2] == [stack] and name.count(".") > 2})
        if count:
            parts.append(f"{count} {singular}{'s' if count > 1 else ''}")
    return ", ".join([*parts, f"{sum(tensor.numel() for tensor in given.values()):,} parameters"])
