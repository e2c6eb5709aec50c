"""The passes in their order, and the one place that hands results from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import Bridge
from hvaedsl.passes.base import Rule, Transform, Unit
from hvaedsl.passes.connection import Connect
from hvaedsl.passes.cost import cost
from hvaedsl.passes.gradient import unreached
from hvaedsl.passes.mixing import abandoned_states
from hvaedsl.passes.rules import (
    decoder_walk,
    encoder_walk,
    missing_mix_in,
    shared_shapes,
    size,
    unused_widths,
    widths,
    without_gradient,
)
from hvaedsl.passes.sharing import weight_groups
from hvaedsl.passes.verify import verify

TRANSFORMS: tuple[Transform, ...] = (Connect(),)
ANALYSES: tuple[Callable[[Bridge], object], ...] = (cost, weight_groups, unreached, abandoned_states)
ERROR_RULES: tuple[Rule, ...] = (
    *encoder_walk.RULES,
    *decoder_walk.RULES,
    *widths.RULES,
    *shared_shapes.RULES,
    *size.RULES,
)
ADVICE_RULES: tuple[Rule, ...] = (*without_gradient.RULES, *unused_widths.RULES, *missing_mix_in.RULES)


def transform(bridge: Bridge) -> Bridge:
    """Run the transforms, without the verifier: the bridge of a wrong spec is not valid, and its rules say why."""
    for step in TRANSFORMS:
        bridge = step.run(bridge)
    return bridge


def check(unit: Unit, poisoned: frozenset[str]) -> tuple[Diagnostic, ...]:
    """What the rules find; advice only where there is no error that could be its cause."""
    errors = _run(ERROR_RULES, unit, poisoned)
    return errors if errors or poisoned else _run(ADVICE_RULES, unit, poisoned)


def analyse(bridge: Bridge) -> Mapping[Callable[..., object], object]:
    """The result of every analysis, by its function."""
    return {analysis: analysis(bridge) for analysis in ANALYSES}


def verified(bridge: Bridge) -> Bridge:
    """The same bridge, verified after each transform; for specs without errors."""
    verify(bridge, after="building")
    for step in TRANSFORMS:
        bridge = step.run(bridge)
        verify(bridge, after=type(step).__name__)
    return bridge


def _run(rules: tuple[Rule, ...], unit: Unit, poisoned: frozenset[str]) -> tuple[Diagnostic, ...]:
    found: dict[tuple[str, object, str], Diagnostic] = {}
    for rule in rules:
        if poisoned.isdisjoint(rule.needs):
            for diagnostic in rule.check(unit):
                found.setdefault((diagnostic.code, diagnostic.span, diagnostic.message), diagnostic)
    return tuple(found.values())
