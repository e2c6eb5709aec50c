"""The names in `train.freeze` and `train.rates`: what they mean, and whether they fit each other (HV251 to HV253,
HV404, HV405).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label, insertion, item_removals, listing, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.named_weights import NamedWeights, length_of, named_weights, path_of, stage_of
from hvaedsl.ir.spec_text import value_text
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.gradient import without_gradient

FREEZE, RATES = "train.freeze", "train.rates"
_LISTED = 12  # names in a sentence
_WHOLE = (
    "A name is `encoder`, `decoder` or `likelihood`, a stage such as `encoder.r8`, or the beginning of names of "
    "parameters at whole segments, such as `encoder.blocks.r8_0`. `hvaedsl compile --emit python` shows the modules."
)
_SHARED = (
    "`encoder.r8` and `decoder.r8` mean every block that is applied at 8. Weights that are applied at several "
    "resolutions are trained as a whole, so that a name of one of these resolutions would say too little."
)


class UnknownWeights(Diagnostic):
    """HV251."""

    code = "HV251"
    title = "`{name}` in `{key}` names no weights of this model"
    label = "no such weights"
    help = "{hint}"
    why = _WHOLE + " A name that means nothing would leave weights in training, or at another rate, without notice."
    bad = spec(rest="train { freeze = encoder.stm }")
    good = spec(rest="train { freeze = encoder.stem }")

    key: str
    name: str
    known: str  # the beginning of the name that is known; may be empty
    continued: tuple[str, ...]  # the names that continue it

    @property
    def hint(self) -> str:
        """The nearest name, or the names that are known there."""
        if self.ways_out:
            return self.proposal
        shown = [f"`{name}`" for name in self.continued[:_LISTED]]
        more = [f"{len(self.continued) - _LISTED:,} more"] if len(self.continued) > _LISTED else []
        inside = f"the names in `{self.known}`" if self.known else "the names"
        return f"{inside} are {listing([*shown, *more], 'and')}"


class FrozenWithRate(Diagnostic):
    """HV252."""

    code = "HV252"
    title = "`{name}` has a rate, and its weights are frozen"
    label = "a rate without effect"
    help = "{proposal}, or remove it from `freeze`"
    why = "Frozen weights are not trained, so that a factor on their learning rate contradicts the other key."
    bad = spec(rest="train { freeze = encoder  rates = {encoder.stem: 0.1, decoder: 0.5} }")
    good = spec(rest="train { freeze = encoder  rates = {decoder: 0.5} }")

    name: str


class NothingTrained(Diagnostic):
    """HV253."""

    code = "HV253"
    title = "`freeze` leaves no weights to train"
    label = "all weights that receive a gradient are frozen"
    help = "remove a name"
    why = "A run without trainable weights computes the same loss in every step."
    bad = spec(rest="train { freeze = encoder, decoder, likelihood }")
    good = spec(rest="train { freeze = encoder, decoder }")


class SharedWithOtherStages(Diagnostic):
    """HV404."""

    code = "HV404"
    title = "`{name}` has weights that are also applied at {elsewhere}"
    label = "{shared}"
    help = "{proposal}, or name the blocks that are meant"
    why = _SHARED
    bad = spec(encoder="8x1, 8d2@g, 4x1@g", rest="train { freeze = encoder.r8 }")
    good = spec(encoder="8x1, 8d2@g, 4x1@g", rest="train { freeze = encoder.r8, encoder.r4 }")

    name: str
    blocks: tuple[str, ...]  # the paths of the blocks
    others: tuple[int, ...]  # the resolutions, which are not named

    @property
    def elsewhere(self) -> str:
        """The other resolutions."""
        return listing(map(str, self.others), "and")

    @property
    def shared(self) -> str:
        """The blocks that are applied there too."""
        more = [f"{len(self.blocks) - _LISTED:,} more"] if len(self.blocks) > _LISTED else []
        return f"shares {listing([*self.blocks[:_LISTED], *more], 'and')}"


class DifferentRates(Diagnostic):
    """HV405."""

    code = "HV405"
    title = "`{block}` is applied at {resolutions}, which have different rates"
    label = "the rate at {at} is {rate}"
    help = "{proposal}, or give the stages one rate"
    why = _SHARED + " Its learning rate is one number."
    bad = spec(encoder="8x1, 8d2@g, 4x1@g", rest="train { rates = {encoder.r8: 0.5, encoder.r4: 0.1} }")
    good = spec(
        encoder="8x1, 8d2@g, 4x1@g",
        rest="train { rates = {encoder.r8: 0.5, encoder.r4: 0.1, encoder.blocks.r8_1: 0.1} }",
    )

    block: str
    applied_at: tuple[int, ...]
    at: int
    rate: str

    @property
    def resolutions(self) -> str:
        """The resolutions at which it is applied."""
        return listing(map(str, self.applied_at), "and")


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report the names that do not fit the parameters, as far as these are known without custom parts."""
    if unit.spec.train.freeze or unit.spec.train.rates:
        yield from findings(unit, named_weights(unit.bridge))


def findings(unit: Unit, weights: NamedWeights) -> Iterator[Diagnostic]:
    """Report the names that do not fit these parameters, or each other."""
    freeze, rates = unit.spec.train.freeze or (), unit.spec.train.rates
    yield from _unknown(unit, weights, FREEZE, freeze)
    yield from _unknown(unit, weights, RATES, rates)
    yield from _shared(unit, weights, FREEZE, dict.fromkeys(freeze, ""))
    yield from _shared(unit, weights, RATES, {name: f": {value_text(rate)}" for name, rate in rates.items()})
    yield from _different_rates(unit, weights, rates)

    frozen = weights.frozen(freeze)
    if freeze and frozen.issuperset({*weights.parameters} - _without_gradient(unit)):
        yield NothingTrained(span=unit.origin(FREEZE))
        return
    for name in rates:
        if (meant := weights.matching(name)) and frozen.issuperset(meant):
            label = Label(unit.origin(FREEZE), "frozen here")
            edits = _without(unit, name)
            suggestions = (Fix("remove the rate", edits),) if edits else ()
            span = _name_span(unit, RATES, name)
            yield FrozenWithRate(span=span, name=name, secondary=(label,), suggestions=suggestions)


def _unknown(unit: Unit, weights: NamedWeights, key: str, names: Iterable[str]) -> Iterator[UnknownWeights]:
    for name in names:
        if weights.matching(name):
            continue
        span, near = _name_span(unit, key, name), weights.similar(name)
        ways = tuple(writing(span, each) for each in near) if span.text == name else ()
        known, continued = weights.continued(name)
        yield UnknownWeights(
            span=span,
            key=key,
            name=name,
            known=known,
            continued=tuple(continued),
            fix=ways[0] if len(ways) == 1 else None,
            suggestions=ways if len(ways) > 1 else (),
        )


def _shared(unit: Unit, weights: NamedWeights, key: str, values: Mapping[str, str]) -> Iterator[SharedWithOtherStages]:
    """Report the stages with weights that are applied at resolutions which are not named. `values` follow the names."""
    for name in values:
        stage = stage_of(name)
        if stage is None:
            continue
        stack, _ = stage
        paths = dict.fromkeys(path_of(found) for found in weights.matching(name) if _decides(name, found, values, key))
        shared = {path: [at for at in weights.resolutions[path] if f"{stack}.r{at}" not in values] for path in paths}
        blocks = tuple(path for path, others in shared.items() if others)
        if not blocks:
            continue

        others = tuple(sorted({at for path in blocks for at in shared[path]}, reverse=True))
        added = [f"{stack}.r{at}{values[name]}" for at in others]
        span, place = _name_span(unit, key, name), unit.origin(f"{key}.{name}")
        ways: tuple[Fix, ...] = ()
        if span.text == name:
            text = ", ".join(added)
            ways = (Fix(f"add `{text}`", (insertion(place.source, place.end, f", {text}"),)),)
        yield SharedWithOtherStages(span=span, name=name, blocks=blocks, others=others, suggestions=ways)


def _decides(stage: str, parameter: str, names: Iterable[str], key: str) -> bool:
    """Whether a stage, and no other name, says what holds for a parameter: a rate has the longest name."""
    others = [name for name in names if stage_of(name) is None and f"{parameter}.".startswith(f"{name}.")]
    return not others if key == FREEZE else all(length_of(name) < length_of(stage) for name in others)


def _different_rates(unit: Unit, weights: NamedWeights, rates: Mapping[str, float]) -> Iterator[DifferentRates]:
    """Report the blocks whose resolutions have different rates, each once."""
    for path, resolutions in weights.resolutions.items():
        stack = path.partition(".")[0]
        stages = {at: f"{stack}.r{at}" for at in resolutions if f"{stack}.r{at}" in rates}
        if len({rates[name] for name in stages.values()}) < 2:
            continue
        inside = [found for found in weights.parameters if path_of(found) == path]
        if not any(_decides(name, found, rates, RATES) for name in stages.values() for found in inside):
            continue

        (_, first), *_, (at, name) = stages.items()
        place, last = unit.origin(f"{RATES}.{name}"), max(_entries(unit), key=lambda span: span.end)
        text = f"{path}: {value_text(rates[first])}"
        label = Label(unit.origin(f"{RATES}.{first}"), "another rate for the same weights")
        yield DifferentRates(
            span=place,
            block=path,
            applied_at=resolutions,
            at=at,
            rate=value_text(rates[name]),
            secondary=(label,),
            suggestions=(Fix(f"add `{text}`", (insertion(last.source, last.end, f", {text}"),)),),
        )


def _name_span(unit: Unit, key: str, name: str) -> Span:
    """The place of a name in the value of a key; that of `$base` if a base has it."""
    place = unit.origin(f"{key}.{name}")
    return place.source.span(place.start, place.start + len(name)) if place.text.startswith(name) else place


def _entries(unit: Unit) -> list[Span]:
    """The entries of the map of rates, in their order."""
    return sorted((unit.origin(f"{RATES}.{name}") for name in unit.spec.train.rates), key=lambda span: span.start)


def _without(unit: Unit, name: str) -> tuple[Edit, ...]:
    """The edits that remove a rate; none if a comment is beside it."""
    entries, whole = _entries(unit), unit.origin(RATES)
    if len(entries) == 1:
        return writing(whole, "{}").edits if "#" not in whole.text else ()
    return item_removals(entries, {entries.index(unit.origin(f"{RATES}.{name}"))})


def _without_gradient(unit: Unit) -> frozenset[str]:
    return frozenset(unit.analysis(without_gradient))


_LISTS = ("model.encoder", "model.encoder.walk", "model.decoder", "model.decoder.walk")
_COUNTS = ("model.encoder.counts", "model.decoder.counts")
_MODEL = ("model.latent", "model.cell", "model.block", "model.likelihood", "model.bias_up_to", "data.resolution")
ERRORS = (Rule(check, (FREEZE, RATES, *_LISTS, *_COUNTS, *_MODEL)),)
