"""`hvaedsl lint`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hvaedsl.cli.completion import complete_advice, complete_spec
from hvaedsl.cli.options import CustomFlag, Lets, Sets, allowed_custom, pairs
from hvaedsl.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from hvaedsl.lint.spec_files import Linted
    from hvaedsl.lint.texts import Texts

Format = Literal["full", "concise", "json", "github", "sarif"]
Codes = list[str] | None


def lint(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Spec files, folders of them, or - for standard input.",
            autocompletion=complete_spec,
        ),
    ],
    output_format: Annotated[Format, typer.Option("--output-format", help="How findings are printed.")] = "full",
    fix: Annotated[bool, typer.Option("--fix", help="Mend what has a safe fix, in place.")] = False,
    unsafe_fixes: Annotated[
        bool, typer.Option("--unsafe-fixes", help="With --fix or --diff: also fixes that may change what is meant.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; print what --fix would change. Exit code 1 if something.")
    ] = False,
    select: Annotated[
        Codes,
        typer.Option(
            "--select",
            metavar="CODES",
            help="The advice to give, e.g. HV5,HV601. Repeatable.",
            autocompletion=complete_advice,
        ),
    ] = None,
    ignore: Annotated[
        Codes,
        typer.Option(
            "--ignore", metavar="CODES", help="The advice to leave out. Repeatable.", autocompletion=complete_advice
        ),
    ] = None,
    stdin_filename: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What standard input is called; its base lies beside it."),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Compile every spec, also those that have not changed.")
    ] = False,
    custom: CustomFlag = False,
    sets: Sets = None,
    lets: Lets = None,
) -> None:
    """Check specs: every error and all advice, and mend what can be mended. Exit code 1 where something is found.

    A file that another one extends is a base: keys that it leaves out are not missing.

    Example: [bold]hvaedsl lint specs/ --fix[/]
    """
    from hvaedsl.lint.cache import lint_cache
    from hvaedsl.lint.check import Check
    from hvaedsl.lint.selection import Selection, selectors

    changes = fix or diff
    if unsafe_fixes and not changes:
        raise UsageError("--unsafe-fixes goes with --fix or --diff")
    if changes and (sets or lets):
        raise UsageError("--fix and --diff mend specs as they are written: leave --set and --let out")
    texts = _texts(paths, stdin_filename)
    check = Check(
        Selection(selectors(select, "--select"), selectors(ignore, "--ignore")),
        pairs(sets, "--set"),
        pairs(lets, "--let"),
        lambda file: allowed_custom(custom, file),
        None if no_cache or changes else lint_cache(),
    )
    if not changes:
        _show(check(texts), output_format, texts)
        return
    from hvaedsl.lint.fixes import apply_fixes

    mended = apply_fixes(texts, check, unsafe=unsafe_fixes)
    counted = f"{mended.count} fix{'es' * (mended.count != 1)}"
    if diff:
        typer.echo(mended.texts.diff(), nl=False)
        typer.echo(f"{counted} would be applied", err=True)
        raise typer.Exit(1 if mended.count else 0)
    if texts.given is None:
        mended.texts.write()
        typer.echo(f"{counted} applied", err=True)
    else:
        _pass_on(mended.texts.output())
    _show(mended.linted, output_format, mended.texts, err=texts.given is not None)


def _texts(paths: list[str], stdin_filename: str | None) -> Texts:
    from hvaedsl.lint.spec_files import spec_files
    from hvaedsl.lint.texts import text_of_stdin, texts_of
    from hvaedsl.syntax.text import MAX_FILE_BYTES

    if "-" not in paths:
        if stdin_filename is not None:
            raise UsageError("--stdin-filename names standard input: give - as the path")
        return texts_of(file for path in paths for file in spec_files(path))
    if len(paths) > 1:
        raise UsageError("standard input (-) is linted alone")
    return text_of_stdin(sys.stdin.buffer.read(MAX_FILE_BYTES + 1), stdin_filename)


def _pass_on(first: bytes) -> None:
    """Write bytes, and what is left of standard input where it was too long to be read: nothing of it is lost."""
    typer.echo(first, nl=False)
    for chunk in iter(lambda: sys.stdin.buffer.read(1 << 16), b""):
        typer.echo(chunk, nl=False)


def _show(linted: Linted, output_format: Format, texts: Texts, *, err: bool = False) -> None:
    """Print what was found, and end with the exit code that says whether anything was."""
    found = linted.found
    match output_format:
        case "full" if found:
            from rich.console import Console

            from hvaedsl.report.full import print_full

            print_full(found, Console(stderr=err))
        case "full":
            typer.echo(f"nothing found in {len(texts.sources)} spec{'s' * (len(texts.sources) != 1)}", err=err)
        case "json":
            from hvaedsl.report.as_json import to_json

            typer.echo(to_json(found), err=err)
        case "sarif":
            from hvaedsl import __version__
            from hvaedsl.report.sarif import to_sarif

            typer.echo(to_sarif(found, __version__), err=err)
        case "concise" if found:
            from hvaedsl.report.concise import to_concise

            typer.echo(to_concise(found), err=err)
        case "github" if found:
            from hvaedsl.report.github import to_github

            typer.echo(to_github(found), err=err)
        case _:
            pass
    if output_format == "full" and any(item.fix is not None for item in found):
        from hvaedsl.lint.fixes import fix_summary

        if hint := fix_summary(texts, linted):
            typer.echo(hint, err=err)
    raise typer.Exit(1 if found else 0)
