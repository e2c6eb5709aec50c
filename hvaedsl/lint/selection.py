"""Selection of advice, by the project of each file and the command line, which takes precedence. Errors always show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import Diagnostic, Severity
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.record import Record
from hvaedsl.lint.configuration import Project, project_of, valid_selectors
from hvaedsl.lint.selectors import specificity


class Selection(Record):
    """The values of `--select` and `--ignore` (None if not given), and the projects read so far."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    _projects: dict[Path, Project] = field(default_factory=dict)

    def takes(self, item: Diagnostic) -> bool:
        """Whether a diagnostic is selected. Raises `UsageError` if the configuration of its project cannot be read."""
        return item.severity is Severity.ERROR or self._takes(item.code, item.span.source.path)

    def check(self, path: Path | None) -> None:
        """Raise `UsageError` if the configuration of a file's project cannot be read."""
        self._project_of(path)

    def _takes(self, code: str, path: Path | None) -> bool:
        """The longer of two matching prefixes wins; of equal ones, the ignored."""
        project = self._project_of(path)
        configured = project.configuration
        selected = specificity(configured.select if self.select is None else self.select, code)
        if selected <= specificity(configured.ignore if self.ignore is None else self.ignore, code):
            return False
        here = [codes for glob, codes in configured.per_file_ignores.items() if _matches(glob, path, project.folder)]
        return not any(specificity(codes, code) for codes in here)

    def _project_of(self, path: Path | None) -> Project:
        folder = (Path() if path is None else path.parent).resolve()
        if folder not in self._projects:
            self._projects[folder] = project_of(folder)
        return self._projects[folder]


def _matches(glob: str, path: Path | None, folder: Path) -> bool:
    """Whether a pattern of `per-file-ignores`, as a line of a .gitignore in `folder`, matches a file."""
    if path is None:
        return False
    place = path.parent.resolve() / path.name
    if not place.is_relative_to(folder):
        return False
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines([glob]).match_file(place.relative_to(folder).as_posix())


def selectors(given: Sequence[str] | None, flag: str) -> tuple[str, ...] | None:
    """Split an option such as `--select HV5,HV601` into codes. Raises `UsageError` for one that selects no advice."""
    if given is None or not given:
        return None
    try:
        return valid_selectors(code for item in given for code in item.split(",") if code.strip())
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None
