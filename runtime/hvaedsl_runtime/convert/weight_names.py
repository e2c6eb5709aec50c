"""The naming of a weight file: hvaedsl's (`ours`), that of hvaedsl before format 2, or that of the published code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.diagnostic import listing, nearest
from hvaedsl.diagnostics.errors import InvalidWeights, SpecError, WeightsMismatch
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.lowering.earlier_names import is_named_by_label, named_by_position, names_by_label
from hvaedsl.lowering.names import published_parameters, unpublished, unpublished_blocks
from hvaedsl.program import Program
from hvaedsl.shipped import shipped
from hvaedsl_runtime.convert.parametrizations import folding

Names = Literal["published", "ours"]
# Before format 2 of weight files, a block with a label was named after it. Such files are read and no longer written.
NamesInFile = Literal["published", "ours", "by label"]
Shapes = Mapping[str, tuple[int, ...]]

SHOWN = 3
_OWN_NAMES = "write hvaedsl's own names with --names ours; files with these can be imported too"


@dataclass(frozen=True)
class Layout:
    """The names that a state dict of a program may have, each with the parameter of ours that it refers to."""

    names: NamesInFile
    parameter: Mapping[str, str]
    shapes: Shapes  # of our parameters

    @property
    def required(self) -> dict[str, str]:
        """The required name for each of our parameters: for a shared block, that of its first application."""
        first: dict[str, str] = {}
        for name, ours in self.parameter.items():
            first.setdefault(ours, name)
        return first


def layout_of(program: Program, names: NamesInFile) -> Layout:
    """The layout of a program's state dict. Raises WeightsMismatch if it has no published names."""
    shapes = parameter_shapes(program.bridge)
    if names == "ours":
        return Layout(names, {name: name for name in shapes}, shapes)
    if names == "by label":
        return Layout(names, {before: now for now, before in names_by_label(program.bridge).items()}, shapes)
    parameter = published_parameters(program.bridge)
    why = unpublished(program.bridge, program.spec.model.likelihood)
    if why is not None and unpublished_blocks(program.bridge):
        raise WeightsMismatch(why, help=_OWN_NAMES)
    if not parameter:
        known = [name for name, parts in CELLS.items() if parts.published]
        raise WeightsMismatch(
            f"the published code has names for the cells {' and '.join(known)}, not for {not_published(program)}",
            help=_OWN_NAMES,
        )
    return Layout(names, parameter, shapes)


def known_names(program: Program) -> frozenset[str]:
    """All names that a state dict of a program may have, in any naming."""
    bridge = program.bridge
    return frozenset((*parameter_shapes(bridge), *published_parameters(bridge), *names_by_label(bridge).values()))


def not_published(program: Program) -> str:
    """What a program without published names has and the published code has not."""
    model = program.spec.model
    if cells := [cell for cell in model.cells if cell not in CELLS or not CELLS[cell].published]:
        return listing(cells, "and")
    latents = model.latent.values() if isinstance(model.latent, Mapping) else (model.latent,)
    return f"the likelihood {model.likelihood}" if all(latents) else "blocks that draw no latent"


def renamed(program: Program, names: Names, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict under other names, with one entry per application of a shared block. Raises as `layout_of`."""
    return {name: weights[ours] for name, ours in layout_of(program, names).parameter.items()}


def as_ours(
    program: Program, given: Mapping[str, Tensor], path: Path, stated: Program | None = None
) -> tuple[dict[str, Tensor], NamesInFile]:
    """The tensors of a file under our names, and the naming of the file; prefixes are removed already.

    Names by label are those of the spec that the file states, if it states one; otherwise those of `program`. For a
    shared block, the first application's weights are enough. Raises WeightsMismatch, naming the differences and
    the shipped specs that fit, unless the file has every parameter in the program's shape and nothing else.
    """
    names = names_of(given)
    if names == "by label" and stated is not None:
        given, names = _without_labels(stated, given, path), "ours"
    layout = layout_of(program, names)
    _check_fit(program, layout, given, path)
    found = {ours: given[name] for ours, name in layout.required.items()}
    for name, tensor in given.items():
        first = found[layout.parameter[name]]
        if tensor is not first and not torch.equal(tensor, first):
            raise WeightsMismatch(
                f"{path}: {name} and {layout.required[layout.parameter[name]]} differ, and {program.name} has one "
                "block for both",
                help="the weights were trained without sharing: replace r by x in the spec's blocks",
            )
    return {ours: found[ours] for ours in layout.shapes}, names


def _without_labels(stated: Program, given: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    try:
        return named_by_position(stated.bridge, given)
    except KeyError as error:
        raise InvalidWeights(
            f"{path}: has {error.args[0]}, and the spec in its metadata has no such block",
            help="write the file again from its run",
        ) from error


def names_of(tensors: Mapping[str, Tensor]) -> NamesInFile:
    """The naming of these tensors; the published one if none fits.

    The name of a block with a label began with `shared_`, as no name does now. In a file without such a name there were
    no labels, so that both namings of hvaedsl are the same for it.
    """
    if any(map(is_named_by_label, tensors)):
        return "by label"
    ours = ("encoder.stem.", "encoder.blocks.", "decoder.blocks.", "decoder.states.", "likelihood.")
    return "ours" if any(name.startswith(ours) for name in tensors) else "published"


def _check_fit(program: Program, layout: Layout, given: Mapping[str, Tensor], path: Path) -> None:
    """Raise WeightsMismatch unless names and shapes are the layout's."""
    count = len(layout.required)
    missing = [name for name in layout.required.values() if name not in given]
    unknown = [name for name in given if name not in layout.parameter]
    reshaped = {
        name: f"{name} is {list(tensor.shape)} in the file and {list(shape)} in the model"
        for name, tensor in given.items()
        if name in layout.parameter and tuple(tensor.shape) != (shape := layout.shapes[layout.parameter[name]])
    }

    problems = [
        f"{len(items)} {what} ({'; '.join(items[:SHOWN])}{'; ...' if len(items) > SHOWN else ''})"
        for items, what in (
            (missing, "missing"),
            (unknown, "unknown"),
            ([*reshaped.values()], "of another shape"),
        )
        if items
    ]
    if not problems:
        return

    # The way out depends on what the file is instead.
    fit = count - len(missing) - len(reshaped.keys() & set(layout.required.values()))
    fitting = fitting_specs({name: tuple(tensor.shape) for name, tensor in given.items()})
    if fitting:
        way_out = f"it fits the shipped spec{'s' if len(fitting) > 1 else ''} {', '.join(fitting)}"
    elif call := folding(unknown, missing):
        way_out = (
            f"the file has factors in place of weights: call {call} on the layers that have them, which computes the "
            "weights, and save the state dict again"
        )
    elif layout.names == "by label":
        way_out = "an earlier version of hvaedsl named blocks by label: use the labels of the spec that wrote the file"
    elif len(missing) == count:
        way_out = "it has no weights of such a model; name another file"
    elif 2 * fit > count and (renamings := _renamings(missing, unknown, layout, given)):
        way_out = f"rename the keys of the state dict, and save it again: {'; '.join(renamings)}"
    elif fit == count:
        way_out = "remove the unknown names from the state dict if they are no weights; if they are, use their spec"
    else:
        way_out = f"use the spec of the weights, and save their whole state dict; the file has {_described(given)}"

    raise WeightsMismatch(
        f"{path} does not have the weights of {program.name}; {fit:,} of {count:,} parameters fit: "
        f"{'; '.join(problems)}",
        help=way_out,
    )


def _renamings(missing: list[str], unknown: list[str], layout: Layout, given: Mapping[str, Tensor]) -> list[str]:
    """The first unknown names, each with the most similar missing name of a parameter of the same shape."""
    found: list[str] = []
    for name in unknown[:SHOWN]:
        shape = tuple(given[name].shape)
        near = nearest(name, (other for other in missing if layout.shapes[layout.parameter[other]] == shape))
        if near is not None:
            found.append(f"{name} to {near}")
    return found


def fitting_specs(given: Shapes) -> list[str]:
    """The shipped specs whose state dict has exactly these names and shapes, in either naming."""
    return [name for name, namings in _shipped_shapes().items() if given in namings]


@cache
def _shipped_shapes() -> Mapping[str, tuple[Shapes, Shapes]]:
    """The names and shapes of each shipped spec: the published ones and ours. Compiling all specs takes a second."""
    found: dict[str, tuple[Shapes, Shapes]] = {}
    for file in sorted(shipped("specs").rglob("*.hvae")):
        try:
            program = hvaedsl.load(file)
        except SpecError:  # only a base for `extends`
            continue
        shapes = parameter_shapes(program.bridge)
        published = {name: shapes[ours] for name, ours in published_parameters(program.bridge).items()}
        found[file.relative_to(shipped("specs")).with_suffix("").as_posix()] = (published, shapes)
    return found


def _described(given: Mapping[str, Tensor]) -> str:
    """A description of a file's model, from names and shapes."""
    parts: list[str] = []
    for stem in ("encoder.in_conv.weight", "encoder.stem.weight"):
        if stem in given and given[stem].ndim == 4:
            parts.append(f"width {given[stem].shape[0]} for images of {counted(given[stem].shape[1], 'channel')}")
    for stack, singular in (("enc_blocks", "encoder block"), ("dec_blocks", "decoder block")):
        count = len({name.split(".")[2] for name in given if name.split(".")[1:2] == [stack] and name.count(".") > 2})
        if count:
            parts.append(counted(count, singular))
    return ", ".join([*parts, counted(sum(tensor.numel() for tensor in given.values()), "parameter")])
