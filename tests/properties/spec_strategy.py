"""Random sound specs, drawn from the grammar and the schema.

Every key of `hvaedsl.ir.spec` is drawn from its kind, so that a new key comes along by itself. Keys that depend on one
another (what the images are, the two walks, the switches that restrict them) are drawn together, in `_Drawing.bound`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from hvaedsl.ir.datasets import DATASETS, USER_IMAGES
from hvaedsl.ir.fourier import FOURIER_PLACES
from hvaedsl.ir.kinds import NameInQuotes, Number, Optional
from hvaedsl.ir.pooling import POOLINGS
from hvaedsl.ir.spec import SECTIONS, keys

from .block_strategy import DrawnBlocks

KEYS = {f"{section}.{name}": key for section, fields in SECTIONS.items() for name, key in keys(fields).items()}
_BETWEEN = ("\n", "\n  ", " ", "\r\n", "\t", "\n\n\n", "  # a comment\n", " # { = é\n", "\n# alone\n", " \f ")


@dataclass(frozen=True)
class SoundSpec:
    """A spec that compiles without an error."""

    text: str
    written: Mapping[str, str]  # the values as they were written, by dotted key
    stochastic_depth: int


@st.composite
def sound_specs(draw: st.DrawFn) -> SoundSpec:
    """Specs over the whole language: every section, every key, every form of a value."""
    drawing = _Drawing(draw)
    written = drawing.bound()
    for dotted, key in KEYS.items():
        if dotted not in BOUND and draw(st.booleans()):
            written[dotted] = drawing.value(key.kind)
    return SoundSpec(drawing.text(written), written, drawing.depth)


# Keys that `_Drawing.bound` draws, since a value alone does not say whether it fits.
BOUND = frozenset(
    f"{section}.{name}"
    for section, names in {
        "data": "dataset config column channels resolution values levels validation binarize fit",
        "model": "width latent encoder decoder widths likelihood cell processing skips pooling bottleneck block",
        "model.fourier": "at",
        "model.normalize_state": "over",
        "train": "batch_size micro_batch freeze rates stop_after",
        "train.kl": "weight sampled_layers",
        "train.augment": "random_crop",
        "sample": "channels",
    }.items()
    for name in names.split()
)


class _Drawing(DrawnBlocks):
    """One spec while it is drawn."""

    # --- keys that depend on one another

    def bound(self) -> dict[str, str]:
        """The keys of `BOUND`, each one that may be left out there or not."""
        written: dict[str, str] = {}
        self.pooling = self.draw(st.sampled_from(POOLINGS))
        image = self.images(written)
        levels = self.levels(image)
        self.skips = self.draw(st.sampled_from(("all", "none")))
        processing = self.draw(st.sampled_from(("asynchronous", "synchronous")))
        self.shapes(written, image, levels)
        written["model.encoder"], counts = self.encoder(levels)
        if not all(counts[level] for level in levels):  # a level that a pooling ends at has no block to pair
            processing = "asynchronous"
        synchronous = processing == "synchronous"
        written["model.decoder"] = self.decoder(levels, counts) if synchronous else self.free_decoder(levels)
        self.random_crop(written, image, self.widen(written, image, [*levels, *self.more]))
        switches = {"model.pooling": "average", "model.skips": "all", "model.processing": "asynchronous"}
        chosen = (self.pooling, self.skips, processing)
        for (dotted, default), value in zip(switches.items(), chosen, strict=True):
            if value != default or self.some():
                written[dotted] = value
        self.weights(written)
        if self.some():
            held_out = self.draw(st.integers(0, 10_000))
            written["data.validation"] = self.whole(held_out)
            if held_out and self.some():
                written["train.stop_after"] = self.whole(self.draw(st.integers(1, 99)))
        self.batch(written)
        if self.some():
            sampled = self.draw(st.integers(1, self.depth))
            written["train.kl.sampled_layers"] = "none" if self.some(4) else self.whole(sampled)
        return written

    def batch(self, written: dict[str, str]) -> None:
        """A batch, forward passes that divide it, and norms over a batch that is not split."""
        parts, images = self.draw(st.integers(1, 9)), self.draw(st.integers(1, 99))
        is_split = self.some()
        if self.some() or is_split:
            written["train.batch_size"] = self.whole(parts * images)
        if is_split:
            written["train.micro_batch"] = self.whole(images)
        if self.some():
            over = ("sample",) if is_split and parts > 1 else ("sample", "batch")
            written["model.normalize_state.over"] = self.draw(st.sampled_from(over))

    def weights(self, written: dict[str, str]) -> None:
        """Weights that are frozen, not all of them, and others that have a rate."""
        frozen = self.draw(st.lists(st.sampled_from(("encoder.stem", "likelihood", "decoder.gain")), unique=True))
        if frozen or self.some(4):
            written["train.freeze"] = self.listed(frozen) if frozen else "none"
        if self.some():
            rated = ("encoder", "encoder.blocks", "decoder", "decoder.blocks", "decoder.bias")
            names = self.draw(st.lists(st.sampled_from(rated), max_size=3, unique=True))
            written["train.rates"] = self.map({name: self.number(Number(above=0, is_float32=True)) for name in names})

    def images(self, written: dict[str, str]) -> int:
        """The data set and its likelihood; the resolution of an image."""
        name = self.draw(st.sampled_from((*USER_IMAGES, "folder", "own", "hub", *DATASETS)))
        known = DATASETS.get(name)
        written["data.dataset"] = {"own": self.own, "hub": self.hub}.get(name, lambda: name)()
        for key in ("config", "column") if name == "hub" else ():
            if self.some():
                written[f"data.{key}"] = self.value(Optional(NameInQuotes()))
        if known is not None:
            shape = {"channels": known.channels, "resolution": known.resolution, "levels": known.levels}
            written |= {f"data.{key}": self.whole(value) for key, value in shape.items() if self.some(3)}
        else:
            factors = self.draw(st.lists(st.sampled_from((2, 2, 2, 3, 4, 5, 7)), max_size=4))
            resolution = self.draw(st.sampled_from((1, 1, 2, 3, 5, 7)))
            for factor in factors:
                resolution *= factor
            files = name == "folder"
            channels = st.sampled_from((1, 3)) if files or self.some() else st.integers(1, 64)
            shape = {"channels": self.draw(channels), "resolution": resolution}
            if name not in ("folder", "hub") and self.some(5):
                written["data.values"] = "real"
            elif self.some():
                shape["levels"] = self.draw(st.integers(2, 256 if self.some() else 2**16))
            written |= {f"data.{key}": self.whole(value) for key, value in shape.items()}
        fits = ("crop_resize", "crop", "resize", "refuse") if name in ("folder", "hub") else ("refuse",)
        if self.some(3) != (name == "folder"):  # few specs have a folder
            written["data.fit"] = self.draw(st.sampled_from(fits))
        if "data.values" not in written and self.some(4):
            written["data.values"] = "levels"
        self.likelihood_of(written, shape["channels"], shape.get("levels", 256))
        if self.some():
            shown = self.draw(st.permutations(range(shape["channels"])))
            shown = shown[:3] if len(shown) > 2 and self.some() else shown[:1]
            written["sample.channels"] = "none" if self.some(4) else self.listed([self.whole(at) for at in shown])
        return shape["resolution"]

    def widen(self, written: dict[str, str], image: int, levels: list[int]) -> int:
        """Give your own images another width than height, one that is whole at all levels; return the width."""
        if written["data.dataset"] not in DATASETS and self.some(3):
            width = image // math.gcd(*levels) * self.draw(st.integers(1, 9))
            written["data.resolution"] = self.size(image, width)
            return width
        return image

    def random_crop(self, written: dict[str, str], height: int, width: int) -> None:
        """Store your own images at the model's size or a larger one; those of a known data set have it."""
        if self.some():
            more = st.integers(0, 0 if written["data.dataset"] in DATASETS else 99)
            crop = self.size(height + self.draw(more), width + self.draw(more))
            written["train.augment.random_crop"] = "none" if self.some(4) else crop

    def size(self, height: int, width: int) -> str:
        """A height and a width, which one number stands for if they are equal."""
        if height == width and self.some():
            return self.whole(height)
        sides = ", ".join(map(self.whole, (height, width)))
        return f"({sides})" if self.some() else sides

    def likelihood_of(self, written: dict[str, str], channels: int, levels: int) -> None:
        if written.get("data.values") == "real":
            if self.some():
                written["model.likelihood"] = self.density()
            return
        likelihood = "mixture_of_logistics(10)"
        if self.some():
            likelihood = written["model.likelihood"] = self.likelihood(levels=levels, channels=channels)
        if likelihood[0] != "m" or self.some():
            allowed = {"b": ("threshold", "dynamic"), "m": ("none",)}.get(likelihood[0])
            written["data.binarize"] = self.draw(st.sampled_from(allowed or ("none", "threshold", "dynamic")))

    def levels(self, image: int) -> list[int]:
        """The resolutions of the encoder, from the image down."""
        found = [image]
        while not self.some(4):
            factors = [factor for factor in range(2, min(found[-1], 64) + 1) if found[-1] % factor == 0]
            if self.pooling.startswith("wavelet"):
                factors = [factor for factor in factors if factor & (factor - 1) == 0]
            if not factors:
                break
            found.append(found[-1] // self.draw(st.sampled_from(factors)))
        return found

    def shapes(self, written: dict[str, str], image: int, levels: list[int]) -> None:
        """Widths that never fall on the way down, the cell, and what asks for widths or places of its own."""
        self.width = self.draw(st.integers(1, 200))
        cell = self.draw(st.sampled_from(("vdvae", "non_residual", "euler_maruyama", "nvae", "own")))
        same = cell == "euler_maruyama"
        latent = self.width if same else self.draw(st.integers(1, 99))
        self.widths: dict[int, int] = {image: self.width} if self.some(4) else {}
        self.silent = self.silent_levels(levels) if cell in ("vdvae", "nvae") and self.some(3) else set()
        self.more = self.extra_levels(image, levels)
        before = self.width
        for resolution in levels[1:]:
            if self.some():
                before = before if same else before + self.draw(st.integers(0, 60))
                self.widths[resolution] = before
            elif before != self.width:
                self.widths[resolution] = before
        for resolution in self.more:
            if self.some():
                self.widths[resolution] = self.width if same else self.draw(st.integers(1, 300))
        written["model.width"] = self.whole(self.width)
        self.by_resolution(written, [*levels, *self.more], cell, latent)
        if self.widths or self.some(5):
            widths: dict[int | str, str] = {at: self.whole(width) for at, width in self.widths.items()}
            if self.some(4):
                widths["other"] = self.whole(self.width)
            written["model.widths"] = self.map(widths)
        if self.some():
            places = tuple(place for place in FOURIER_PLACES if not (same and place == "sample"))
            chosen = self.draw(st.lists(st.sampled_from(places), max_size=3, unique=True))
            written["model.fourier.at"] = self.listed([*chosen]) if chosen else "none"

    def silent_levels(self, levels: list[int]) -> set[int]:
        """Levels with latent 0: not the one that every decoder draws at, the image's or the only one that is read."""
        needed = levels[0] if self.skips == "all" else levels[-1]
        return {level for level in levels if level != needed and self.some()}

    def by_resolution(self, written: dict[str, str], levels: list[int], cell: str, latent: int) -> None:
        """Latent, bottleneck, cell and block: one value, or a map of all levels, or of some and the rest."""
        cells = ("vdvae", "nvae", cell) if cell in ("vdvae", "nvae", "non_residual") else (cell,)
        drawn: dict[str, dict[int, str]] = {"latent": {}, "bottleneck": {}, "cell": {}, "block": {}}
        several = {name: self.some(3) for name in drawn}
        first = {
            "latent": self.whole(latent),
            "bottleneck": self.number(Number(above=0, maximum=2)),  # a larger one can exceed the limit of parameters
            "cell": self.own() if cell == "own" else cell,
            "block": self.block(),
        }
        for level in levels:
            silent = level in self.silent
            latents = latent if cell == "euler_maruyama" or not several["latent"] else self.draw(st.integers(1, 99))
            drawn["latent"][level] = "0" if silent else self.whole(latents)
            again = several["bottleneck"] and self.some()
            drawn["bottleneck"][level] = self.number(Number(above=0, maximum=2)) if again else first["bottleneck"]
            taken = (first["cell"],) if not several["cell"] or cell == "own" else cells[:2] if silent else cells
            drawn["cell"][level] = self.draw(st.sampled_from(taken))
            drawn["block"][level] = self.block() if several["block"] else first["block"]
            self.shapes_at[level] = tuple(values[level] for values in drawn.values())

        for name, values in drawn.items():
            if several[name] or (name == "latent" and self.silent):
                written[f"model.{name}"] = self.map_with_other(values)
            elif name == "latent" or (name == "cell" and cell != "vdvae") or self.some():
                written[f"model.{name}"] = first[name]
        if self.some():
            weights = {level: self.number(Number(minimum=0, is_float32=True)) for level in levels}
            written["train.kl.weight"] = self.map_with_other(weights) if self.some() else weights[levels[0]]

    def map_with_other(self, values: Mapping[int, str]) -> str:
        """A map of these values, one of which may be that of `other`."""
        form = self.draw(st.sampled_from(("all", "some", "all and other")))
        entries: dict[int | str, str] = {}
        entries.update(values.items())
        if form == "some":
            rest = self.draw(st.sampled_from([*values.values()]))
            entries = {at: value for at, value in values.items() if value != rest} | {"other": rest}
        elif form == "all and other":
            entries["other"] = next(iter(values.values()))
        return self.map(dict(self.draw(st.permutations([*entries.items()]))))

    def extra_levels(self, image: int, levels: list[int]) -> list[int]:
        """Resolutions of the decoder alone, which a model without skip connections may have, or with latent 0."""
        if self.skips == "all" and not self.silent:
            return []
        found = [part for part in range(1, min(image, 99)) if image % part == 0 and part not in levels]
        more = self.draw(st.lists(st.sampled_from(found), max_size=2, unique=True)) if found else []
        self.silent |= {*more} if self.skips == "all" else set()
        return more

    # --- text

    def text(self, written: Mapping[str, str]) -> str:
        """The spec, its statements in any order, with any space and comments between them."""
        statements = [f"let {name} = {text}" for name, text in self.written_lets.items()]
        statements += [
            text for section in SECTIONS if "." not in section and (text := self.section(section, written)) is not None
        ]
        return self.spaced(["hvae 1", *self.draw(st.permutations(statements))]) + self.gap()

    def section(self, path: str, written: Mapping[str, str]) -> str | None:
        """A section with those inside it; None where nothing is written in it."""
        found = [
            f"{name} = {written[f'{path}.{name}']}" for name in keys(SECTIONS[path]) if f"{path}.{name}" in written
        ]
        inner = (self.section(other, written) for other in SECTIONS if other.rpartition(".")[0] == path)
        found += [text for text in inner if text is not None]
        if not found and not self.some(3):
            return None
        name = path.rpartition(".")[2]
        return self.spaced([f"{name} {{", *self.draw(st.permutations(found)), "}"])

    def spaced(self, statements: list[str]) -> str:
        return "".join(
            item + (self.gap() if index < len(statements) - 1 else "") for index, item in enumerate(statements)
        )

    def gap(self) -> str:
        return self.draw(st.sampled_from(_BETWEEN)) if self.some(3) else "\n"
