"""The order of the transform, the analyses and the rules; results pass from one to the next only here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.ir.bridge import Bridge
from hvaedsl.ir.named_weights import NamedWeights
from hvaedsl.ir.pass_names import Pass
from hvaedsl.ir.spec import Spec
from hvaedsl.passes.base import Rule, Unit
from hvaedsl.passes.checkpointing import checkpointing
from hvaedsl.passes.connection import connect
from hvaedsl.passes.cost import cost, parameter_count, stochastic_depth
from hvaedsl.passes.gradient import unreached, without_gradient
from hvaedsl.passes.hoisting import hoist
from hvaedsl.passes.joining import join
from hvaedsl.passes.mixing import abandoned_states
from hvaedsl.passes.one_gelu import one_gelu
from hvaedsl.passes.sharing import weight_groups
from hvaedsl.passes.verify import verify
from hvaedsl.rules import rules
from hvaedsl.rules.weight_names import findings

Analysis = Callable[[Bridge], object]

ANALYSES: tuple[Analysis, ...] = (
    cost,
    parameter_count,
    stochastic_depth,
    checkpointing,
    weight_groups,
    unreached,
    without_gradient,
    abandoned_states,
)
# Analyses of how the model is computed, after the optimizing passes; the others are of the architecture.
OF_COMPUTATION: tuple[Analysis, ...] = (cost, checkpointing)
# The optimizing passes, in their order.
OPTIMIZATIONS: Mapping[Pass, Callable[[Bridge], Bridge]] = {"one_gelu": one_gelu, "hoist": hoist, "join": join}
ERROR_RULES: tuple[Rule, ...] = rules("ERRORS")
ADVICE_RULES: tuple[Rule, ...] = rules("ADVICE")


def transform(built: Bridge, spec: Spec) -> Bridge:
    """Apply the one transform, with the options of the spec, to the bridge as it was built.

    Nothing is verified yet: the bridge of a wrong spec is not valid, and the rules say why.
    """
    return connect(built, processing=spec.model.processing, skips=spec.model.skips)


def optimize(bridge: Bridge, passes: Collection[Pass], *, last: Pass | None = None) -> Bridge:
    """Apply the optimizing passes of these names in their order, up to `last`: the model then computes faster.

    Parameters and results stay the same, up to rounding.
    """
    for name, optimization in OPTIMIZATIONS.items():
        if name in passes:
            bridge = optimization(bridge)
        if name == last:
            break
    return bridge


def verify_both(built: Bridge, transformed: Bridge) -> None:
    """Verify the bridges of a spec without errors, as built and as transformed.

    Raises `CompilerBug` for an invalid one, with the step that left it.
    """
    # The transform repairs nothing, so that the bridge is read a second time only to find the step.
    try:
        verify(transformed, after="connect")
    except CompilerBug:
        verify(built, after="building")
        raise


def check(unit: Unit, poisoned: frozenset[str], between: Callable[[], None] = lambda: None) -> tuple[Diagnostic, ...]:
    """The findings of the rules; advice only if there are no errors, which could cause it.

    `between` is called before each rule; an exception that it raises ends the check.
    """
    errors = _run(ERROR_RULES, unit, poisoned, between)
    return errors if errors or poisoned else _run(ADVICE_RULES, unit, poisoned, between)


def check_weight_names(unit: Unit, weights: NamedWeights) -> tuple[Diagnostic, ...]:
    """The findings about `train.freeze` and `train.rates` once all parameters are known, those of custom parts too."""
    return tuple(findings(unit, weights))


class Analyses(Mapping[Analysis, object]):
    """The results of the analyses of one bridge, by their functions. Each is computed on first use.

    `passes` are the optimizing ones that are applied before the analyses of the computation.
    """

    def __init__(self, bridge: Bridge, passes: Collection[Pass]) -> None:
        self._bridge = bridge
        self._passes = passes
        self._known: dict[Analysis, object] = {}

    def __getitem__(self, analysis: Analysis) -> object:
        """The result of one of `ANALYSES`. Raises `KeyError` for another function."""
        if analysis not in self._known:
            if analysis not in ANALYSES:
                raise KeyError(analysis)
            self._known[analysis] = analysis(self._computed if analysis in OF_COMPUTATION else self._bridge)
        return self._known[analysis]

    @cached_property
    def _computed(self) -> Bridge:
        return optimize(self._bridge, self._passes)

    def __iter__(self) -> Iterator[Analysis]:
        """The analyses."""
        return iter(ANALYSES)

    def __len__(self) -> int:
        """The number of analyses."""
        return len(ANALYSES)


def _run(
    rules_to_run: tuple[Rule, ...], unit: Unit, poisoned: frozenset[str], between: Callable[[], None]
) -> tuple[Diagnostic, ...]:
    found: dict[tuple[str, object, str], Diagnostic] = {}
    for rule in sorted(rules_to_run, key=lambda rule: not rule.poisons):
        if poisoned.isdisjoint(rule.needs):
            between()
            for diagnostic in rule.check(unit):
                found.setdefault((diagnostic.code, diagnostic.span, diagnostic.message), diagnostic)
                poisoned = poisoned.union(rule.poisons)
    return tuple(found.values())
