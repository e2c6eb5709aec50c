"""`hvaedsl fmt`: format specs in place, in one style."""

from __future__ import annotations

from typing import Annotated

import typer

from hvaedsl.cli.completion import complete_spec_file
from hvaedsl.diagnostics.errors import CompilerBug, UsageError, WriteError
from hvaedsl.diagnostics.refusals import raise_not_written
from hvaedsl.diagnostics.streams import print_bytes, print_data, say


def fmt(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Spec files, folders, or - for standard input.",
            autocompletion=complete_spec_file,
        ),
    ],
    check: Annotated[bool, typer.Option("--check", help="Write nothing. Exit code 1 if a file would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Like --check; also print the changes as a diff.")] = False,
) -> None:
    """Format specs in place, in one style. Comments are kept and the model does not change.

    A file with syntax errors is left unchanged and its errors are printed (exit code 1). If a PATH cannot be read,
    nothing is written. In a folder, all .hvae files are formatted except those excluded by .gitignore. Standard input
    is formatted to standard output.

    Example: [bold]hvaedsl fmt --check specs/[/]
    """
    from hvaedsl.fmt.files import format_bytes, format_files, not_written, rewrite, summary, unified_diff
    from hvaedsl.lint.spec_files import spec_files
    from hvaedsl.report.full import print_full
    from hvaedsl.report.terminal import console
    from hvaedsl.syntax.text import STDIN, raise_refused, read_stdin

    # Every file is formatted in memory before the first one is written.
    stdin, write = "-" in paths, not (check or diff)
    if stdin and len(paths) > 1:
        raise UsageError("- (standard input) cannot be combined with other paths")
    if stdin:
        found, refused = [format_bytes(read_stdin(), STDIN)], []
    else:
        given = spec_files(*paths)
        for name in given.outside:
            say(f"skipped {given.why_kept(name)}", err=True)
        found = format_files(name for name in given.files if name not in given.outside)
        refused = [*given.refused, *(item.refusal for item in found if item.refusal)]
        if not given.is_complete or any(item.refusal and item.name in paths for item in found):
            raise_refused(refused)  # a path on the command line; what is closed below a folder stops nothing

    failures: list[UsageError | WriteError] = []
    for at, item in enumerate(found):
        if item.diagnostics:
            print_full(item.diagnostics, console(err=True))
        elif diff:
            print_data(unified_diff(item))
        elif stdin and write and not item.bug:
            print_bytes(item.after)
        elif item.changed:
            try:
                if write:
                    rewrite(item)
                say(f"{'reformatted' if write else 'would reformat'} {item.name}")
            except (UsageError, WriteError) as error:  # the other files are still written
                found[at] = not_written(item, error)
                failures.append(error)

    if found and not stdin:
        say(summary(found, "reformatted" if write else "would be reformatted"), err=diff)
    if bugs := [item.bug for item in found if item.bug]:
        raise CompilerBug("; ".join(bugs))
    raise_not_written(failures)
    raise_refused(refused)
    mistakes = any(item.diagnostics for item in found)
    raise typer.Exit(1 if mistakes or (not write and any(item.changed for item in found)) else 0)
