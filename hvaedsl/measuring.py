"""The custom parts of a unit, imported and measured: their parameters, and what their computation costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hvaedsl.custom.importing import CustomPartError, import_custom
from hvaedsl.diagnostics.custom import CustomPartFails
from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.named_weights import named_weights
from hvaedsl.ir.spec import AUGMENT_FUNCTION, custom_model_parts, custom_parts
from hvaedsl.passes.base import Unit
from hvaedsl.pipeline import Analyses, check_weight_names


def measured(unit: Unit, folders: tuple[Path, ...]) -> Unit:
    """Import all custom parts, and add their measured cost to the unit. Raises `SpecError` if one fails."""
    references = custom_parts(unit.spec)
    if not references:
        return unit

    in_model = custom_model_parts(unit.spec)
    for key, reference in references.items():
        try:
            # Those that are not measured too, so that they are found without folders later.
            part = import_custom(reference, folders)
            if key == AUGMENT_FUNCTION and not callable(part):
                raise CustomPartError("it is not a function", f"a {type(part).__name__}", "name a function")
            if key in in_model:
                unit = _with_cost(unit, key, reference, folders)
        except CustomPartError as error:
            raise SpecError([part_fails(unit.place(key), reference, error)]) from error
    if found := check_weight_names(unit, named_weights(unit.bridge)):  # their parameters are known only now
        raise SpecError(found)
    return unit


def _with_cost(unit: Unit, key: str, reference: str, folders: tuple[Path, ...]) -> Unit:
    try:
        from hvaedsl.lowering.custom import custom_class, measure
    except ModuleNotFoundError as error:
        raise UsageError(f"measuring custom parts needs {error.name}: pip install 'hvaedsl[train]'") from None
    part, levels = custom_class(reference, folders), unit.spec.data.levels
    if key == "model.likelihood":
        attach = measure(unit.bridge, levels, likelihood=part)
    elif key.startswith("model.block"):
        attach = measure(unit.bridge, levels, blocks={reference: part})
    else:
        attach = measure(unit.bridge, levels, cells={reference: part})
    bridge = attach.run(unit.bridge)
    return replace(unit, bridge=bridge, analyses=Analyses(bridge, unit.spec.train.passes or ()))


def part_fails(span: Span, reference: str, error: CustomPartError) -> Diagnostic:
    """The diagnostic of a custom part that cannot be imported or used."""
    return CustomPartFails(span=span, reference=reference, problem=error.problem, reason=error.reason, hint=error.hint)
