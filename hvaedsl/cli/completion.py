"""Shell completion of specs, datasets, keys, codes and cells. Everything is looked up when a shell asks for it.

A shell appends a space to a single candidate. If the word may continue, the shell therefore receives several candidates
or none; with none, it completes file names itself.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from hvaedsl.ir.kinds import Key

_ASKED = "_HVAEDSL_COMPLETE"  # set by the completion scripts that typer installs
_SCRIPTS = ("--install-completion", "--show-completion")  # typer's options, of which some versions take a shell
_BREAKS = "=:"  # the characters of bash's COMP_WORDBREAKS that occur in our arguments
_BASH_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"?|'[^']*'?)+""")
_PLAIN = re.compile(r"[\w.,+-]+")  # needs no quoting in any shell


def program_of_scripts(program: str, arguments: Sequence[str]) -> str:
    """The program's name for typer: `hvaedsl` if the arguments ask for a completion script, else `program`.

    Typer writes the name into the script. A shell completes a single word, and that of `python -m hvaedsl` is Python's.
    """
    options = takewhile(lambda argument: argument.startswith("-"), arguments)
    return "hvaedsl" if any(option.startswith(_SCRIPTS) for option in options) else program


@contextmanager
def whole_words_in_bash() -> Iterator[None]:
    """If bash asks, join the words that it splits at `=` and `:`, and print candidates from the last break on.

    Bash splits `--set model.cell=nvae` into four words, of which the last would be completed as an extra argument.
    """
    if os.environ.get(_ASKED) != "complete_bash":
        yield
        return

    # Give the program the words as the user sees them.
    cursor = int(os.environ.get("COMP_CWORD", "0"))
    words = _BASH_WORD.findall(os.environ.get("COMP_WORDS", ""))
    joined = _joined(words[: cursor + 1])
    written = joined.pop() if cursor < len(words) else ""
    os.environ["COMP_WORDS"] = " ".join([*joined, written])
    os.environ["COMP_CWORD"] = str(len(joined))

    # Bash replaces only what follows the last break, so candidates lack what precedes it.
    known = re.sub(r"\A--[\w-]+=", "", written)  # the value of --option=value is completed alone
    known = known[: max(known.rfind(mark) for mark in _BREAKS) + 1]

    answer = io.StringIO()
    try:
        with redirect_stdout(answer):
            yield
    finally:
        for line in answer.getvalue().splitlines():
            print(line.removeprefix(known))


def _joined(words: Sequence[str]) -> list[str]:
    joined: list[str] = []
    sticks = False
    for word in words:
        is_break = not word.strip(_BREAKS)
        if joined and (sticks or is_break):
            joined[-1] += word
        else:
            joined.append(word)
        sticks = is_break
    return joined


def complete_spec(incomplete: str) -> list[str]:
    """Spec files in the folder typed so far, and the names of shipped specs."""
    return _unless_folders_alone({*_shipped(incomplete), *_files(incomplete)})


def complete_spec_file(incomplete: str) -> list[str]:
    """Spec files in the folder typed so far."""
    return _unless_folders_alone(set(_files(incomplete)))


def complete_dataset(incomplete: str) -> list[str]:
    """The values of `data.dataset`."""
    from hvaedsl.ir.datasets import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


def complete_explained(incomplete: str) -> list[tuple[str, str]]:
    """The first argument of `explain`: the codes with their titles, `cell` and `block`."""
    from hvaedsl.report.explain import template_title
    from hvaedsl.rules import KINDS

    found = [(kind.code, template_title(kind)) for kind in KINDS.values()]
    if incomplete.startswith("h"):  # a shell drops candidates that do not start with the typed letters
        found = [(code.lower(), said) for code, said in found]
    found += [("cell", "what a cell computes"), ("block", "what a residual block computes")]
    return [(word, said) for word, said in found if word.startswith(incomplete)]


def complete_explained_name(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The cells that `explain cell` knows, or the blocks of `explain block`."""
    from hvaedsl.ir.cells import CELLS
    from hvaedsl.ir.residual_blocks import BLOCKS

    titles = {
        "cell": {kind.name: kind.title for kind in CELLS.values()},
        "block": {kind.name: kind.title for kind in BLOCKS.values()},
    }
    known = titles.get(context.params.get("code", ""), {})
    return [(name, title) for name, title in known.items() if name.startswith(incomplete)]


def complete_advice(incomplete: str) -> list[tuple[str, str]]:
    """Codes for `--select` and `--ignore`, with their titles; after a comma, those not given yet."""
    from hvaedsl.diagnostics.diagnostic import Severity
    from hvaedsl.report.explain import template_title
    from hvaedsl.rules import KINDS

    given, comma, start = incomplete.rpartition(",")
    return [
        (f"{given}{comma}{kind.code}", template_title(kind))
        for kind in KINDS.values()
        if kind.severity is Severity.ADVICE and kind.code.startswith(start) and kind.code not in given.split(",")
    ]


def complete_key(incomplete: str) -> list[tuple[str, str]]:
    """Keys for `--set` with their equals sign, and after it, values of one word.

    If one key remains, its values are candidates too, so that no shell appends a space to it.
    """
    from hvaedsl.ir.spec import SECTIONS, keys

    dotted = {f"{section}.{name}": key for section, kind in SECTIONS.items() for name, key in keys(kind).items()}
    if "=" in incomplete:
        left, found = [incomplete.partition("=")[0]], []
    else:
        left = [name for name in dotted if name.startswith(incomplete)]
        found = [(f"{name}=", dotted[name].meaning) for name in left]
    if len(left) == 1 and left[0] in dotted:
        found += _assignments(left[0], dotted[left[0]])
    return [(offer, said) for offer, said in found if offer.startswith(incomplete)]


def _assignments(name: str, key: Key) -> list[tuple[str, str]]:
    """A key with each value of one word: its example, the names of its kind, its default."""
    from hvaedsl.ir.kinds import (
        FLAGS,
        Choice,
        ChoiceOrCustom,
        Either,
        Flag,
        LikelihoodCall,
        Optional,
        OrCall,
        PoolingCall,
        Several,
    )
    from hvaedsl.ir.pooling import POOLINGS
    from hvaedsl.ir.spec_text import default_text

    kind = key.kind.of if isinstance(key.kind, Optional) else key.kind
    kind = kind.of if isinstance(kind, Several) else kind.plain if isinstance(kind, Either) else kind
    values = {key.example: "for example"} if key.example else {}
    if isinstance(kind, Choice | ChoiceOrCustom):
        values |= dict.fromkeys(kind.symbols, "")
    if isinstance(kind, Flag):
        values |= dict.fromkeys(FLAGS, "")
    if isinstance(kind, LikelihoodCall):
        values |= {"bernoulli": "", "gaussian": ""}
    if isinstance(kind, OrCall):
        values |= dict.fromkeys(kind.plain.symbols if isinstance(kind.plain, Choice) else (), "")
        values[kind.call.example] = "for example"
    if isinstance(kind, PoolingCall):
        values |= dict.fromkeys(POOLINGS, "")
    if isinstance(key.kind, Optional):
        values["none"] = ""
    if key.required == "no":
        values[default_text(name)] = "the default"
    one_word = {value.replace(", ", ","): said for value, said in values.items()}
    return [(f"{name}={value}", said) for value, said in one_word.items() if _PLAIN.fullmatch(value)]


def _unless_folders_alone(found: set[str]) -> list[str]:
    """The candidates, sorted; none if all are folders, which a shell completes better itself."""
    return sorted(found) if any(not name.endswith("/") for name in found) else []


def _shipped(incomplete: str) -> Iterator[str]:
    from hvaedsl.shipped import spec_names

    yield from (name for name in spec_names() if name.startswith(incomplete))


def _files(incomplete: str) -> Iterator[str]:
    """Specs and folders in the folder typed so far. A folder that contains specs is replaced by them."""
    folder, slash, start = incomplete.rpartition("/")
    try:
        entries = list(Path(folder + slash or ".").iterdir())
    except (OSError, ValueError):  # a folder that does not exist or cannot be read
        return
    for entry in entries:
        if not entry.name.startswith(start) or (entry.name.startswith(".") and not start):
            continue
        shown = f"{folder}{slash}{entry.name}"
        if entry.suffix == ".hvae":
            yield shown
            continue
        try:
            inside = [item for item in entry.iterdir() if item.suffix == ".hvae"] if entry.is_dir() else []
            if entry.is_dir():
                yield from (f"{shown}/{item.name}" for item in inside) if inside else (f"{shown}/",)
        except OSError:  # a folder that cannot be read
            continue
