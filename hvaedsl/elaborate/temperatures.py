"""A temperature that a command gets as an option: the text of a value of `sample.temperature`."""

from __future__ import annotations

from collections.abc import Mapping

from hvaedsl.diagnostics.diagnostic import Diagnostic, listing
from hvaedsl.diagnostics.errors import SpecError, UsageError
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.by_resolution import filled
from hvaedsl.elaborate.constants import Constants
from hvaedsl.elaborate.readers import Reader
from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.kinds import OTHER
from hvaedsl.ir.section import at_resolution
from hvaedsl.ir.spec import Spec
from hvaedsl.syntax.parser import parse_value


def temperature_of(source: Source, spec: Spec) -> float | Mapping[int, float]:
    """Read a number, or a map by resolution in which `other` is replaced by the resolutions that draw a latent.

    Raises `SpecError` for a text that is neither, and `UsageError` for a resolution that draws no latent.
    """
    value, problems = parse_value(source)
    if value is None or problems:
        raise SpecError(problems)
    found: list[Diagnostic] = []
    reader = Reader("sample.temperature", Constants({}), found, {}, set())
    written = reader.read(SCHEMA["sample"]["temperature"].kind, value)
    if found:
        raise SpecError(found)
    if not isinstance(written, Mapping):
        assert isinstance(written, float)
        return written

    resolutions = {entry.resolution for entry in spec.model.decoder.written_entries()}
    drawing = sorted((at for at in resolutions if at_resolution(spec.model.latent, at)), reverse=True)
    if unused := [at for at in written if at != OTHER and at not in drawing]:
        where = f"resolution{'s' * (len(unused) > 1)} {listing(map(str, unused), 'and')}"
        raise UsageError(
            f"{source.name} is {source.text}; the decoder draws no latent at {where}",
            help=f"it draws one at {listing(map(str, drawing), 'and')}",
        )
    return filled(written, drawing) if OTHER in written else {int(at): factor for at, factor in written.items()}
