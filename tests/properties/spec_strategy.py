"""Random sound specs, drawn from the grammar and the schema.

Every key of `hvaedsl.ir.spec` is drawn from its kind, so that a new key comes along by itself. Keys that depend on one
another (what the images are, the two walks, the switches that restrict them) are drawn together, in `_Drawing.bound`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from hypothesis import strategies as st

from hvaedsl.elaborate.build import kernel_at
from hvaedsl.ir.datasets import DATASETS, USER_IMAGES
from hvaedsl.ir.fourier import FOURIER_PLACES
from hvaedsl.ir.kinds import (
    BlockStack,
    ByResolution,
    Choice,
    ChoiceOrCustom,
    Either,
    FilePath,
    Kind,
    LikelihoodCall,
    Number,
    Optional,
    Pair,
    PoolingCall,
    Several,
    Text,
    Whole,
)
from hvaedsl.ir.pooling import POOLINGS
from hvaedsl.ir.spec import SECTIONS, keys
from hvaedsl.ir.spec_text import string_text

KEYS = {f"{section}.{name}": key for section, fields in SECTIONS.items() for name, key in keys(fields).items()}
LARGEST = 10**15 - 1  # of at most 15 digits
_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)
_REFERENCES = st.from_regex(r"[A-Za-zé_]\w{0,4}(\.[a-zß]\w{0,3})?:[A-Z]\w{0,5}", fullmatch=True)
_STRINGS = st.text(st.characters(codec="utf-8"), max_size=12)
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
        "data": "dataset channels resolution levels binarize",
        "model": "width latent encoder decoder widths likelihood cell processing skips pooling bottleneck",
        "model.fourier": "at",
        "train.kl": "sampled_layers",
    }.items()
    for name in names.split()
)


class _Drawing:
    """One spec while it is drawn: its constants, and the walks as far as they have come."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.lets: dict[str, int] = {}
        self.depth = 0

    def some(self, odds: int = 2) -> bool:
        """True once in `odds` times."""
        return self.draw(st.integers(1, odds)) == odds

    # --- values

    def value(self, kind: Kind) -> str:
        """A value that a kind takes, in one of the ways to write it."""
        match kind:
            case Whole():
                top = LARGEST if kind.maximum is None else kind.maximum
                return self.whole(self.draw(st.integers(kind.minimum, top)))
            case Number():
                return self.number(kind)
            case FilePath():
                return string_text(self.draw(_STRINGS.filter(str.strip)))
            case Text():
                return string_text(self.draw(_STRINGS))
            case Choice():
                return self.draw(st.sampled_from(kind.symbols))
            case ChoiceOrCustom():
                return self.own() if self.some(6) else self.draw(st.sampled_from(kind.symbols))
            case Several():
                return self.listed(self.several(kind))
            case Optional():
                return "none" if self.some(4) else self.value(kind.of)
            case Pair():
                return self.listed([self.number(kind.of), self.number(kind.of)])
            case ByResolution():
                found = self.draw(st.lists(st.integers(1, 2000), max_size=3, unique=True))
                return self.map({resolution: self.value(kind.of) for resolution in found})
            case Either():
                return self.value(kind.by_resolution if self.some(3) else kind.plain)
            case LikelihoodCall():
                return self.likelihood(levels=256, channels=1)
            case PoolingCall():
                return self.draw(st.sampled_from(POOLINGS))
            case BlockStack():
                raise AssertionError("a block list is walked, not drawn alone")
            case _:
                assert_never(kind)

    def whole(self, number: int, *, suffix: bool = True) -> str:
        """A whole number as digits, with underscores, with a suffix, or as a constant."""
        forms = [str(number), f"{number:_}"]
        if number >= 0:
            if suffix and number % 1000 == 0:
                forms.append(f"{number // 1000}k")
            if suffix and number % 1_000_000 == 0:
                forms.append(f"{number // 1_000_000}M")
            if self.some(5):
                return f"${self.constant(number)}"
        return self.draw(st.sampled_from(forms))

    def constant(self, number: int) -> str:
        """The name of a constant that stands for a number."""
        for name, value in self.lets.items():
            if value == number:
                return name
        name = self.draw(_NAMES.filter(lambda name: name not in self.lets))
        self.lets[name] = number
        return name

    def number(self, kind: Number) -> str:
        low = kind.above if kind.minimum is None else kind.minimum
        high = kind.below if kind.maximum is None else kind.maximum
        found = self.draw(
            st.floats(
                low,
                high,
                exclude_min=kind.above is not None,
                exclude_max=kind.below is not None,
                allow_nan=False,
                allow_infinity=False,
            )
        )
        return self.draw(st.sampled_from([repr(found), f"{found:.17e}"]))

    def several(self, kind: Several) -> list[str]:
        if isinstance(kind.of, Choice):
            return self.draw(st.lists(st.sampled_from(kind.of.symbols), min_size=1, unique=True))
        low, high = kind.of.minimum, kind.of.maximum
        found = self.draw(st.lists(st.integers(low, high), min_size=1, max_size=4, unique=True))
        return [self.whole(number) for number in found]

    def listed(self, items: list[str]) -> str:
        text = ", ".join(items)
        return f"[{text}]" if self.some(3) else text

    def map(self, items: Mapping[int, str]) -> str:
        return f"{{{', '.join(f'{key}: {value}' for key, value in items.items())}}}"

    def own(self) -> str:
        return string_text(self.draw(_REFERENCES))

    def likelihood(self, *, levels: int, channels: int) -> str:
        forms = ["mixture", "own", *(["bernoulli"] if channels == 1 else []), *(["bits"] if levels == 256 else [])]
        form = self.draw(st.sampled_from(forms))
        if form in ("own", "bernoulli"):
            return self.own() if form == "own" else form
        mixtures = self.whole(self.draw(st.integers(1, 1000)))
        return f"mixture_of_logistics({mixtures}{', bits = 5' if form == 'bits' else ''})"

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
        self.stack: dict[str, int] = {}
        if not all(counts[level] for level in levels):  # a level that a pooling ends at has no block to pair
            processing = "asynchronous"
        synchronous = processing == "synchronous"
        written["model.decoder"] = self.decoder(levels, counts) if synchronous else self.free_decoder(levels)
        switches = {"model.pooling": "average", "model.skips": "all", "model.processing": "asynchronous"}
        chosen = (self.pooling, self.skips, processing)
        for (dotted, default), value in zip(switches.items(), chosen, strict=True):
            if value != default or self.some():
                written[dotted] = value
        if self.some():
            sampled = self.draw(st.integers(1, self.depth))
            written["train.kl.sampled_layers"] = "none" if self.some(4) else self.whole(sampled)
        return written

    def images(self, written: dict[str, str]) -> int:
        """The data set and its likelihood; the resolution of an image."""
        name = self.draw(st.sampled_from((*USER_IMAGES, "own", *DATASETS)))
        known = DATASETS.get(name)
        written["data.dataset"] = self.own() if name == "own" else name
        if known is not None:
            shape = {"channels": known.channels, "resolution": known.resolution, "levels": known.levels}
            written |= {f"data.{key}": self.whole(value) for key, value in shape.items() if self.some(3)}
        else:
            factors = self.draw(st.lists(st.sampled_from((2, 2, 2, 3, 4, 5, 7)), max_size=4))
            resolution = self.draw(st.sampled_from((1, 1, 2, 3, 5, 7)))
            for factor in factors:
                resolution *= factor
            shape = {"channels": self.draw(st.sampled_from((1, 3))), "resolution": resolution}
            if self.some():
                shape["levels"] = self.draw(st.integers(2, 256))
            written |= {f"data.{key}": self.whole(value) for key, value in shape.items()}
        self.likelihood_of(written, shape["channels"], shape.get("levels", 256))
        return shape["resolution"]

    def likelihood_of(self, written: dict[str, str], channels: int, levels: int) -> None:
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
        written["model.width"], written["model.latent"] = self.whole(self.width), self.whole(latent)
        if self.some():  # a larger one can exceed the limit of parameters
            written["model.bottleneck"] = self.number(Number(above=0, maximum=2))
        if cell != "vdvae" or self.some():
            written["model.cell"] = self.own() if cell == "own" else cell
        if self.widths or self.some(5):
            widths = {resolution: self.whole(width) for resolution, width in self.widths.items()}
            written["model.widths"] = self.map(widths)
        if self.some():
            places = tuple(place for place in FOURIER_PLACES if not (same and place == "sample"))
            chosen = self.draw(st.lists(st.sampled_from(places), max_size=3, unique=True))
            written["model.fourier.at"] = self.listed([*chosen]) if chosen else "none"

    def extra_levels(self, image: int, levels: list[int]) -> list[int]:
        """Resolutions of the decoder alone, which a model without skip connections may have."""
        if self.skips == "all":
            return []
        found = [part for part in range(1, min(image, 99)) if image % part == 0 and part not in levels]
        return self.draw(st.lists(st.sampled_from(found), max_size=2, unique=True)) if found else []

    def width_at(self, resolution: int) -> int:
        return self.widths.get(resolution, self.width)

    # --- block lists

    def encoder(self, levels: list[int]) -> tuple[str, dict[int, int]]:
        """The encoder, and how many blocks it applies at each resolution."""
        items: list[str] = []
        counts: dict[int, int] = {}
        for resolution, below in zip(levels, [*levels[1:], None], strict=True):
            needed = 1 if below is None and len(levels) == 1 else 0
            made = [self.item(resolution) for _ in range(self.draw(st.integers(needed, 3)))]
            counts[resolution] = sum(count for _, count in made)
            items += [text for text, _ in made]
            if below is not None:
                counts[resolution] += 1
                items.append(f"{resolution}d{self.argument(resolution // below)}{self.label(resolution)}")
                if self.some(6):
                    items[-1] = f"1*({items[-1]})"
        return self.listed(items), counts

    def decoder(self, levels: list[int], counts: Mapping[int, int]) -> str:
        """A decoder that goes up once, with as many blocks as the encoder has at each resolution."""
        items: list[str] = []
        below: int | None = None
        for resolution in reversed(levels):
            wanted = counts[resolution]
            self.depth += wanted
            if below is not None and self.some():
                items.append(f"{resolution}m{self.argument(below)}{self.label(resolution)}")
                wanted -= 1
            if wanted:
                items.append(f"{resolution}{self.draw(st.sampled_from('xr'))}{self.argument(wanted)}")
            below = resolution
        return self.listed(items)

    def free_decoder(self, levels: list[int]) -> str:
        """A decoder that visits resolutions in any order, some of them twice, and ends at the image."""
        image, bottleneck = levels[0], levels[-1]
        visits = self.draw(st.lists(st.sampled_from([*levels, *self.more]), max_size=5))
        items: list[str] = []
        applied: set[int] = set()
        for resolution in [*([bottleneck] if self.skips == "none" else []), *visits, image]:
            sources = sorted(source for source in applied if self.mixes(source, resolution))
            mixed = bool(sources) and not self.some(3)
            if mixed:
                source = self.draw(st.sampled_from(sources))
                items.append(f"{resolution}m{self.argument(source)}{self.label(resolution)}")
                self.depth += 1
            for _ in range(self.draw(st.integers(0 if mixed else 1, 2))):
                text, count = self.item(resolution)
                items.append(text)
                self.depth += count
            applied.add(resolution)
        return self.listed(items)

    def mixes(self, source: int, resolution: int) -> bool:
        """Whether a block at a resolution may take in the state of a source."""
        factor, rest = divmod(resolution, source)
        if factor < 2 or rest or self.width_at(source) < self.width_at(resolution):
            return False
        return not self.pooling.startswith("wavelet") or factor & (factor - 1) == 0

    def item(self, resolution: int, nested: int = 0) -> tuple[str, int]:
        """One item of a block list that stays at a resolution, and how many blocks it applies."""
        forms = ("bare", "x", "r", "shared", *(("copies", "copied group", "group") if nested < 2 else ()))
        form = self.draw(st.sampled_from(forms))
        count = self.draw(st.integers(1, 3))
        if form == "bare":
            bare = self.whole(resolution, suffix=False) + self.label(resolution)
            return bare, 1
        if form in ("x", "r"):
            return f"{resolution}{form}{self.argument(count)}", count
        if form == "shared":
            return f"{resolution}r{self.argument(count)}{self.label(resolution)}", count
        made = [self.item(resolution, nested + 1) for _ in range(1 if form == "copies" else count)]
        body, applied = ", ".join(text for text, _ in made), sum(count for _, count in made)
        if form == "group":
            return f"({body})", applied
        if form == "copies" and (body[0] == "(" or "*" in body):  # `*` takes no other `*` without parentheses
            body = f"({body})"
        return f"{self.whole(count, suffix=False)}*{f'({body})' if form != 'copies' else body}", count * applied

    def argument(self, number: int) -> str:
        """What stands behind the letter of a block."""
        return f"${self.constant(number)}" if self.some(6) else str(number)

    def label(self, resolution: int) -> str:
        """No label, or one whose blocks all have the shapes of this one."""
        if not self.some(4):
            return ""
        return f"@{self.draw(st.sampled_from('gh'))}{self.width_at(resolution)}_{kernel_at(resolution)}"

    # --- text

    def text(self, written: Mapping[str, str]) -> str:
        """The spec, its statements in any order, with any space and comments between them."""
        statements = [f"let {name} = {number}" for name, number in self.lets.items()]
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
