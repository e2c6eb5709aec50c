"""Load a spec that the command line names, a file or `git:REV:PATH`, as a program or its diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.diff.revision import PREFIX, checked_out
from hvaedsl.program import Compilation, CustomParts, Overrides, Program, compile_source
from hvaedsl.syntax.text import read_source, source_or_stdin


@dataclass(frozen=True)
class LoadedSpec:
    """A program, or the diagnostics if the spec has errors."""

    label: str
    program: Program | None
    diagnostics: Sequence[Diagnostic] = ()


def load_spec(
    place: str, *, sets: Overrides | None = None, lets: Overrides | None = None, custom: CustomParts | None = None
) -> LoadedSpec:
    """Compile a spec file, a shipped spec, standard input (`-`), or a spec of a revision. Raises `UsageError`."""

    def compiled(source: Source, custom: CustomParts | None = custom) -> Compilation:
        return compile_source(source, sets=sets, lets=lets, custom=custom)

    if not place.startswith(PREFIX):
        return _loaded(place, lambda: compiled(source_or_stdin(place)))

    with checked_out(place) as revision:
        if custom is not None:
            custom = CustomParts((revision.beside, *custom.folders))
        loaded = _loaded(place, lambda: compiled(read_source(revision.path), custom))
        return LoadedSpec(place, loaded.program, revision.named(loaded.diagnostics))


def _loaded(place: str, compiled: Callable[[], Compilation]) -> LoadedSpec:
    try:
        found = compiled()
    except SpecError as error:  # too large, or not text
        return LoadedSpec(place, None, error.diagnostics)
    return LoadedSpec(place, found.program, found.diagnostics if found.program is None else ())
