"""`hvaedsl lint`: check specs for errors and advice; optionally fix them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_advice, complete_spec
from hvaedsl.cli.options import CustomFlag, Json, Lets, Sets, custom_permission, format_of, pairs
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.streams import print_bytes, print_data, say

if TYPE_CHECKING:
    from hvaedsl.lint.linted import Linted
    from hvaedsl.lint.texts import Texts

Format = Literal["full", "concise", "json", "github", "sarif"]
Codes = list[str] | None


def lint(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Spec files, folders, or - for standard input.",
            autocompletion=complete_spec,
        ),
    ],
    output_format: Annotated[Format, typer.Option("--format", help="Output format.")] = "full",
    as_json: Json = False,
    fix: Annotated[bool, typer.Option("--fix", help="Apply the safe fixes, in place.")] = False,
    unsafe_fixes: Annotated[
        bool, typer.Option("--unsafe-fixes", help="With --fix or --diff: include fixes that may change the model.")
    ] = False,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff", help="Write nothing; print the changes that --fix would make. Exit code 1 if there are any."
        ),
    ] = False,
    select: Annotated[
        Codes,
        typer.Option(
            "--select",
            metavar="CODES",
            help="Advice to report, as codes or prefixes, e.g. HV5,HV601. Repeatable.",
            autocompletion=complete_advice,
        ),
    ] = None,
    ignore: Annotated[
        Codes,
        typer.Option("--ignore", metavar="CODES", help="Advice to omit. Repeatable.", autocompletion=complete_advice),
    ] = None,
    stdin_filename: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="File name for standard input, used in findings and to resolve `extends`."),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Compile all specs, even unchanged ones.")] = False,
    custom: CustomFlag = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Check specs for errors and advice; optionally fix them. Exit code 1 if there are findings.

    A file that another one extends is a base: keys that it omits are not reported as missing.

    Example: [bold]hvaedsl lint specs/ --fix[/]
    """
    from hvaedsl.lint.cache import lint_cache
    from hvaedsl.lint.check import Check
    from hvaedsl.lint.processes import useful_processes
    from hvaedsl.lint.selection import Selection, selectors
    from hvaedsl.syntax.text import raise_refused

    chosen = format_of(output_format, as_json, default="full")
    changes = fix or diff
    if unsafe_fixes and not changes:
        raise UsageError("--unsafe-fixes needs --fix or --diff")
    if changes and (sets or lets):
        raise UsageError("--fix and --diff change the specs as written; remove --set and --let")

    texts = _texts(paths, stdin_filename)
    if not texts.sources and not texts.unreadable:
        raise_refused(texts.refused)
    check = Check(
        Selection(selectors(select, "--select"), selectors(ignore, "--ignore")),
        pairs(sets, "--set"),
        pairs(lets, "--let"),
        custom_permission(custom),
        None if no_cache or changes else lint_cache(),
        useful_processes(),
    )
    if not changes:
        _show(check(texts), chosen, texts)
        return

    from hvaedsl.lint.fixes import apply_fixes
    from hvaedsl.lint.spec_files import SpecFiles

    fixed = apply_fixes(texts, check, unsafe=unsafe_fixes)
    for name in texts.outside:
        say(f"not fixed: {SpecFiles.why_kept(name)}", err=True)
    counted = f"{fixed.count} fix{'es' * (fixed.count != 1)}"
    if diff:
        print_data(fixed.texts.diff())
        say(f"{counted} would be applied", err=True)
        raise_refused(texts.refused)
        raise typer.Exit(1 if fixed.count else 0)

    # Fixed files are rewritten; fixed standard input goes to standard output, and its findings to standard error.
    if texts.given is None:
        fixed.texts.write()
        say(f"{counted} applied", err=True)
    else:
        _pass_on(fixed.texts.output())
    _show(fixed.linted, chosen, fixed.texts, err=texts.given is not None)


def _texts(paths: list[str], stdin_filename: str | None) -> Texts:
    from hvaedsl.lint.spec_files import spec_files
    from hvaedsl.lint.texts import text_of_stdin, texts_of
    from hvaedsl.syntax.text import read_stdin

    if "-" not in paths:
        if stdin_filename is not None:
            raise UsageError("--stdin-filename needs - (standard input) as the path")
        given = spec_files(*paths)
        return texts_of(given.files, given.refused, given.outside)
    if len(paths) > 1:
        raise UsageError("- (standard input) cannot be combined with other paths")
    return text_of_stdin(read_stdin(), stdin_filename)


def _pass_on(first: bytes) -> None:
    """Write bytes, then the rest of standard input if it was too long to be read completely: no text is lost."""
    print_bytes(first)
    for chunk in iter(lambda: sys.stdin.buffer.read(1 << 16), b""):
        print_bytes(chunk)


def _show(linted: Linted, output_format: Format, texts: Texts, *, err: bool = False) -> None:
    """Print the findings, and exit with 1 if there are any, or with 0 otherwise."""
    from hvaedsl.syntax.text import raise_refused

    found = linted.found
    match output_format:
        case "full" if found:
            from hvaedsl.report.full import print_full
            from hvaedsl.report.terminal import console

            print_full(found, console(err=err))
        case "full":
            say(f"nothing found in {len(texts.sources)} spec{'s' * (len(texts.sources) != 1)}", err=err)
        case "json":
            from hvaedsl.report.as_json import to_json

            print_data(to_json(found), err=err)
        case "sarif":
            from hvaedsl import __version__
            from hvaedsl.lint.checkout import checkout_root
            from hvaedsl.report.sarif import to_sarif

            print_data(to_sarif(found, __version__, checkout_root()), err=err)
        case "concise" if found:
            from hvaedsl.report.concise import to_concise

            print_data(to_concise(found), err=err)
        case "github" if found:
            from hvaedsl.lint.checkout import checkout_root
            from hvaedsl.report.github import to_github

            print_data(to_github(found, checkout_root()), err=err)
        case _:
            pass
    if output_format == "full" and any(item.fix is not None for item in found):
        from hvaedsl.lint.fixes import fix_summary

        if hint := fix_summary(texts, linted):
            say(hint, err=err)
    raise_refused(texts.refused)  # the others have been checked
    raise typer.Exit(1 if found else 0)
