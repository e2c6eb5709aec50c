"""The likelihood of real values and of levels, and checks that the two are not mixed: images, likelihood, keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from hvaedsl.diagnostics.additions import in_section
from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, rewriting, writing
from hvaedsl.diagnostics.reals import DensityNeedsReals, LevelsOfReals, RealsNeedDensity, RealsOfLevels
from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.meant import GAUSSIAN, MIXTURE
from hvaedsl.ir.data_spec import OF_LEVELS
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.spec import ModelSpec, Spec
from hvaedsl.ir.spec_text import value_text

VALUES, LIKELIHOOD = "data.values", "model.likelihood"


def choose_likelihood(data: Mapping[str, Any], model: dict[str, Any]) -> None:
    """Write the likelihood of real values without one, and whether the channels of a likelihood are independent.

    Those of colors need not be, others are; one channel is neither.
    """
    if data.get("values") == "real":
        model.setdefault("likelihood", Likelihood(name="gaussian"))
    channels, found = data["channels"], model.get("likelihood", ModelSpec.model_fields["likelihood"].default)
    if isinstance(found, Likelihood) and found.couples:
        independent = channels not in (1, 3) or (channels == 3 and found.independent)
        if independent != found.independent:
            model["likelihood"] = replace(found, independent=independent)


def check_values(
    spec: Spec,
    origins: Mapping[str, Span],
    poisoned: Collection[str],
    sections: Mapping[str, Span],
    without: Callable[[str], Fix | None],
) -> Iterator[Diagnostic]:
    """Yield what does not fit `data.values`; of images that have levels, this alone.

    `without` makes the fix that removes a key. A key that is poisoned is not compared with another.
    """
    data, likelihood = spec.data, spec.model.likelihood
    if {"data.dataset", VALUES} & set(poisoned):
        return

    # Images that have levels, whatever the likelihood is.
    if data.is_real and data.has_levels:
        fix = _with_levels(origins, without(VALUES), likelihood.name)
        yield RealsOfLevels(span=origins[VALUES], dataset=value_text(data.dataset), fix=fix)
        return
    for key in OF_LEVELS if data.is_real else ():
        span = origins.get(f"data.{key}")
        if span is not None and span.text != "none" and f"data.{key}" not in poisoned:
            yield LevelsOfReals(span=span, key=key, value=span.text, fix=without(f"data.{key}"))

    span = origins.get(LIKELIHOOD)
    if span is None or LIKELIHOOD in poisoned or likelihood.name == "custom":
        return
    if data.is_real and likelihood.name != "gaussian":
        removed = without(VALUES)
        alone = () if removed is None else (Fix("remove `values = real`", removed.edits),)
        ways = (writing(span, GAUSSIAN, shown=f"likelihood = {GAUSSIAN}"), *alone)
        yield RealsNeedDensity(span=span, likelihood=str(likelihood), suggestions=ways)
    if not data.is_real and likelihood.name == "gaussian":
        ways = (*_as_reals(spec, origins, sections), writing(span, MIXTURE, shown=f"likelihood = {MIXTURE}"))
        yield DensityNeedsReals(span=span, likelihood=str(likelihood), suggestions=ways)


def _with_levels(origins: Mapping[str, Span], removed: Fix | None, likelihood: str) -> Fix | None:
    """The fix that removes `values`, and a likelihood that goes with it; None if they are in two files."""
    written = origins.get(LIKELIHOOD)
    if removed is None or written is None or likelihood != "gaussian":
        return removed
    if removed.edits[0].span.source is not written.source:
        return None
    return Fix(f"remove the key and write `likelihood = {MIXTURE}`", (*removed.edits, rewriting(written, MIXTURE)))


def _as_reals(spec: Spec, origins: Mapping[str, Span], sections: Mapping[str, Span]) -> tuple[Fix, ...]:
    """The suggestion to write `values = real`; none if the images or another key have levels."""
    levels = any(f"data.{key}" in origins and origins[f"data.{key}"].text != "none" for key in OF_LEVELS)
    if levels or spec.data.has_levels:
        return ()
    title, written = "write `values = real`", origins.get(VALUES)
    if written is not None:
        return (Fix(title, (rewriting(written, "real"),)),)
    section = sections.get("data")
    added = in_section(section, "values = real") if section is not None else None
    return (Fix(title, (added,)),) if added is not None else ()
