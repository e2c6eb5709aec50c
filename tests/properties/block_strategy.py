"""Random block lists that walk over the resolutions of a model, and whose blocks fit each other."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from hvaedsl.elaborate.build import kernel_at

from .value_strategy import DrawnValues


class DrawnBlocks(DrawnValues):
    """The block lists of one spec while it is drawn, as far as the walks have come."""

    def __init__(self, draw: st.DrawFn) -> None:
        super().__init__(draw)
        self.depth = 0  # the stochastic depth
        self.width = 1
        self.widths: dict[int, int] = {}
        self.more: list[int] = []  # resolutions of the decoder alone
        self.silent: set[int] = set()  # those with latent 0
        self.shapes_at: dict[int, tuple[str, ...]] = {}  # what else the blocks of a resolution are made with
        self.pooling = "average"
        self.skips = "all"

    def width_at(self, resolution: int) -> int:
        return self.widths.get(resolution, self.width)

    def drawn(self, resolution: int, count: int) -> int:
        """How many of the blocks that a decoder applies at a resolution draw a latent."""
        return 0 if resolution in self.silent else count

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
        return self.listed(self.named(items)), counts

    def decoder(self, levels: list[int], counts: Mapping[int, int]) -> str:
        """A decoder that goes up once, with as many blocks as the encoder has at each resolution."""
        items: list[str] = []
        below: int | None = None
        for resolution in reversed(levels):
            wanted = counts[resolution]
            self.depth += self.drawn(resolution, wanted)
            if below is not None and self.some():
                items.append(f"{resolution}m{self.argument(below)}{self.label(resolution)}")
                wanted -= 1
            if wanted:
                items.append(f"{resolution}{self.draw(st.sampled_from('xr'))}{self.argument(wanted)}")
            below = resolution
        return self.listed(self.named(items))

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
                self.depth += self.drawn(resolution, 1)
            for _ in range(self.draw(st.integers(0 if mixed else 1, 2))):
                text, count = self.item(resolution)
                items.append(text)
                self.depth += self.drawn(resolution, count)
            applied.add(resolution)
        return self.listed(self.named(items))

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

    def named(self, items: list[str]) -> list[str]:
        """The items, with a part of them perhaps in a list of its own, which may have a named part too."""
        if len(items) < 2 or not self.some(3):
            return items
        first = self.draw(st.integers(0, len(items) - 2))
        behind = self.draw(st.integers(first + 2, len(items)))
        text = ", ".join(self.named(items[first:behind]))
        if "," not in text and "$" in text:  # one name alone, whose kind is that of its definition
            text = self.draw(st.sampled_from((text, f"({text})", f"1*({text})")))
        elif self.some():
            text = f"({text})"
        name = self.new_name()
        self.written_lets[name] = text
        use = self.draw(st.sampled_from((f"${name}", f"(${name})", f"1*${name}", f"1*(${name})")))
        return [*items[:first], use, *items[behind:]]

    def argument(self, number: int) -> str:
        """The number, constant or expression behind the letter of a block."""
        if self.some(8):
            return f"({self.expression(number)})"
        return f"${self.constant(number)}" if self.some(6) else str(number)

    def label(self, resolution: int) -> str:
        """No label, or one whose blocks all have the shapes of this one."""
        if not self.some(4):
            return ""
        shapes = list(dict.fromkeys(self.shapes_at.values()))
        others = shapes.index(self.shapes_at[resolution]) if shapes else 0
        return f"@{self.draw(st.sampled_from('gh'))}{self.width_at(resolution)}_{kernel_at(resolution)}_{others}"
