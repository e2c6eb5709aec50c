"""Required keys that a spec leaves out: one diagnostic for all of them, with a text that makes the spec compile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hvaedsl.diagnostics.additions import at_end_of_file, in_section
from hvaedsl.diagnostics.diagnostic import Fix
from hvaedsl.diagnostics.names import MissingKey
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.blocks import BlockList
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.image_size import ImageSize
from hvaedsl.ir.kinds import OTHER

_NO_BLOCKS = BlockList(())
Values = Mapping[str, Mapping[str, Any]]  # the values that the spec has, by section and key


def missing_key(source: Source, sections: Mapping[str, Span], missing: Sequence[str], values: Values) -> MissingKey:
    """The diagnostic of required keys, which are dotted and not in the spec; all have the same purpose.

    It is at the first section that lacks one of them, or at the end of the text if the spec has none of these sections.
    """
    examples = _Examples(values)
    additions: dict[str, list[str]] = {}
    for dotted in missing:
        section, _, name = dotted.partition(".")
        additions.setdefault(section, []).append(f"{name} = {examples.of(section, name)}")

    section, name = missing[0].split(".")
    end = len(source.text.rstrip())
    place = next((sections[section] for section in additions if section in sections), source.span(end, end))
    key = SCHEMA[section][name]
    return MissingKey(
        span=place,
        keys=tuple(missing),
        purpose="to train" if key.required == "to train" else "to compile",
        additions=tuple((section, "  ".join(lines), section in sections) for section, lines in additions.items()),
        meaning=key.meaning,
        suggestions=_adding(source, sections, {section: "  ".join(lines) for section, lines in additions.items()}),
    )


def example_shape(keys: Sequence[str], values: Values) -> str:
    """The keys of the shape of your own images, with values that fit the others."""
    examples = _Examples(values)
    return "  ".join(f"{key} = {examples.of('data', key)}" for key in keys)


def shown_channels(values: Values) -> int:
    """The least number of channels of images of which pictures can show `sample.channels`."""
    return 1 + max(values.get("sample", {}).get("channels") or (0,))


def _adding(source: Source, sections: Mapping[str, Span], texts: Mapping[str, str]) -> tuple[Fix, ...]:
    """The suggestion that adds texts to the sections of a spec, and the sections that are missing."""
    added, new = [], []
    for section, text in texts.items():
        name = sections.get(section)
        if name is None or name.source is not source:
            new.append(f"{section} {{ {text} }}")
        elif edit := in_section(name, text):
            added.append(edit)
        else:
            return ()
    if new:
        added.append(at_end_of_file(source, "\n".join(new)))
    return (Fix("add what is missing", tuple(added)),)


class _Examples:
    """Values for missing keys that fit the values of the others."""

    def __init__(self, values: Values) -> None:
        self.data, self.model, self.shown = values["data"], values["model"], shown_channels(values)
        self.encoder: BlockList = self.model.get("encoder", _NO_BLOCKS)
        self.decoder: BlockList = self.model.get("decoder", _NO_BLOCKS)

    def of(self, section: str, name: str) -> str:
        """The value of a key, as text."""
        match f"{section}.{name}":
            case "data.dataset":
                return self._dataset()
            case "model.width" if (latent := self._latent_of_state()) is not None:
                return str(latent)
            case "model.width":
                return str(self._width())
            case "model.latent" if self._state_is_latent():
                return str(self._width())
            case "model.encoder":
                without_skips = self.model.get("skips") == "none"  # the decoder may have resolutions of its own
                return ", ".join(self._encoder([self._image()] if without_skips else self._resolutions(self.decoder)))
            case "model.decoder":
                return ", ".join(self._decoder(self._resolutions(self.encoder)[::-1]))
            case "data.channels":
                return str(self._shape().get("channels", self._channels()))
            case "data.resolution":
                return str(self._image() if "resolution" not in self.data else self.data["resolution"])
        return SCHEMA[section][name].example

    def _state_is_latent(self) -> bool:
        """Whether z is the state, at some resolution at least."""
        cell = self.model.get("cell")
        return "euler_maruyama" in (cell.values() if isinstance(cell, Mapping) else (cell,))

    def _latent_of_state(self) -> int | None:
        """The latent where z is the state; None if it is nowhere, or the spec has no latent."""
        latent, cell = self.model.get("latent"), self.model.get("cell")
        if latent is None or not self._state_is_latent() or not isinstance(latent, Mapping):
            return latent if self._state_is_latent() else None
        where = [at for at, name in cell.items() if name == "euler_maruyama"] if isinstance(cell, Mapping) else []
        found = [latent[at] for at in (*where, OTHER) if at in latent]
        return next(iter(found or latent.values()), None) or None

    def _width(self) -> int:
        default = int(SCHEMA["model"]["width"].example)
        widths = self.model.get("widths", {})
        width = self.model.get("width", widths.get(self._image(), min(widths.values(), default=default)))
        return width if isinstance(width, int) else default

    def _image(self) -> int:
        """The resolution of the images, or that of the block list that the spec has."""
        if resolution := self.data.get("resolution"):
            return resolution.height if isinstance(resolution, ImageSize) else int(resolution)
        if dataset := DATASETS.get(str(self.data.get("dataset"))):
            return dataset.resolution
        resolutions = [entry.resolution for stack in (self.encoder, self.decoder) for entry in stack.written_entries()]
        return max(resolutions, default=DATASETS[SCHEMA["data"]["dataset"].example].resolution)

    def _dataset(self) -> str:
        """A dataset of the spec's shape; your own images if no known one has it."""
        shape = self._shape()
        example = SCHEMA["data"]["dataset"].example
        for dataset in sorted(DATASETS.values(), key=lambda dataset: dataset.name != example):
            has_shape = all(getattr(dataset, key) == value for key, value in shape.items())
            if has_shape and dataset.channels >= self.shown:
                return dataset.name

        known = {"channels": shape.get("channels", self._channels()), "resolution": shape["resolution"]}
        own = "folder" if "fit" in self.data else "npy"  # only files are fitted
        return "  ".join([own, *(f"{key} = {value}" for key, value in known.items() if key not in self.data)])

    def _channels(self) -> int:
        """The channels of images that say nothing of them: those of colors, or as many as pictures show."""
        return max(int(SCHEMA["data"]["channels"].example), self.shown)

    def _shape(self) -> dict[str, int | ImageSize]:
        """What is known of the shape of an image: one channel for a Bernoulli likelihood."""
        shape = {key: self.data[key] for key in ("channels", "levels") if key in self.data}
        shape["resolution"] = self.data.get("resolution") or self._image()
        likelihood = self.model.get("likelihood")
        if likelihood is not None and likelihood.name == "bernoulli":
            shape.setdefault("channels", 1)
        return shape

    def _resolutions(self, other: BlockList) -> list[int]:
        """The resolutions of a stack, from the image down: those of the other stack, or the image's and its half."""
        image = self._image()
        entries = list(other.written_entries())
        pooled = {entry.resolution // entry.argument for entry in entries if entry.operator == "d" and entry.argument}
        found = sorted({image, *(entry.resolution for entry in entries), *pooled}, reverse=True)
        if len(found) == 1 and not other.items and image % 2 == 0:
            found.append(image // 2)
        divisible = all(high % low == 0 for high, low in pairwise(found))
        return found if divisible and found[0] == image else [image]

    def _encoder(self, resolutions: Sequence[int]) -> Iterator[str]:
        for resolution, below in pairwise(resolutions):
            yield from self._blocks(resolution, self.decoder, beside=1)
            yield f"{resolution}d{resolution // below}"
        yield from self._blocks(resolutions[-1], self.decoder)

    def _decoder(self, resolutions: Sequence[int]) -> Iterator[str]:
        yield from self._blocks(resolutions[0], self.encoder)
        for below, resolution in pairwise(resolutions):
            yield f"{resolution}m{below}"
            yield from self._blocks(resolution, self.encoder, beside=1)

    def _blocks(self, resolution: int, other: BlockList, beside: int = 0) -> Iterator[str]:
        """Two blocks, or as many as the other stack has if both need equal counts; `beside` are in another entry."""
        count = 2
        if self.model.get("processing") == "synchronous" and other.items:
            applied = (entry.applications for entry in other.expanded() if entry.resolution == resolution)
            count = sum(applied) - beside
        if count > 0:
            yield f"{resolution}x{count}"
