"""One mistake in a sound spec, as a person makes it: a wrong name, a foreign form of a value, an entry too few."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.published_keys import FOREIGN_KEYS
from hvaedsl.syntax import ast
from hvaedsl.syntax.parser import parse_document

# Returns the text with the mistake; None if the spec has no place for it.
Mistake = Callable[["Spec", random.Random], str | None]


class Spec:
    """A sound text and its parts."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.statements = parse_document(Source("sound.hvae", text)).document.statements
        self.assignments = list(_assignments(self.statements))

    def with_text(self, span: Span, written: str) -> str:
        return f"{self.text[: span.start]}{written}{self.text[span.end :]}"


def _assignments(statements: Sequence[ast.Statement], path: str = "") -> Iterator[tuple[str, ast.Assignment]]:
    """The assignments with their dotted keys."""
    for item in statements:
        if isinstance(item, ast.Section):
            yield from _assignments(item.statements, f"{path}{item.name.text}.")
        elif isinstance(item, ast.Assignment):
            yield f"{path}{item.key.text}", item


def _misspelled(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word))
    return chance.choice((word[:at] + word[at + 1 :], word[:at] + word[at - 1] + word[at:], word.upper()))


# --- names


def misspelled_key(spec: Spec, chance: random.Random) -> str:
    _, item = chance.choice(spec.assignments)
    return spec.with_text(item.key.span, _misspelled(item.key.text, chance))


def misspelled_section(spec: Spec, chance: random.Random) -> str:
    item = chance.choice([item for item in spec.statements if isinstance(item, ast.Section)])
    return spec.with_text(item.name.span, _misspelled(item.name.text, chance))


def foreign_name(spec: Spec, chance: random.Random) -> str | None:
    """The name of another code, for a key whose value is written alike there."""
    names = {key.key: name for name, key in FOREIGN_KEYS.items() if not key.written}
    found = [(item, names[dotted]) for dotted, item in spec.assignments if dotted in names]
    if not found:
        return None
    item, name = chance.choice(found)
    return spec.with_text(item.key.span, name)


def stray_statement(spec: Spec, chance: random.Random) -> str | None:
    """A statement outside of every section, under its own name, a foreign one, or with its section."""
    dotted, item = chance.choice(spec.assignments)
    if "#" in item.span.text or "\r" in item.span.text:
        return None
    foreign = [name for name, key in FOREIGN_KEYS.items() if key.key == dotted and not key.written]
    name = chance.choice([item.key.text, dotted, *foreign])
    value = spec.text[item.key.span.end : item.span.end]
    return f"{spec.with_text(item.span, ' ')}\n{name}{value}\n"


def missing_statement(spec: Spec, chance: random.Random) -> str:
    _, item = chance.choice(spec.assignments)
    return spec.with_text(item.span, " ")


def doubled_statement(spec: Spec, chance: random.Random) -> str:
    _, item = chance.choice(spec.assignments)
    return spec.with_text(item.span, f"{item.span.text}\n{item.span.text}\n")


def no_equal_sign(spec: Spec, chance: random.Random) -> str:
    _, item = chance.choice(spec.assignments)
    between = spec.text[item.key.span.end : item.value.span.start]
    return f"{spec.text[: item.key.span.end]}{between.replace('=', ' ')}{spec.text[item.value.span.start :]}"


def section_inside(spec: Spec, chance: random.Random) -> str | None:
    """A section inside the one before it."""
    found = [item for item in spec.statements if isinstance(item, ast.Section)]
    if len(found) < 2:
        return None
    outer, inner = chance.sample(found, 2)
    end = outer.span.end - 1
    moved = f" {inner.span.text}\n"
    if inner.span.start < outer.span.start:
        return spec.text[: inner.span.start] + spec.text[inner.span.end : end] + moved + spec.text[end:]
    return spec.text[:end] + moved + spec.text[end : inner.span.start] + spec.text[inner.span.end :]


def damaged_start(spec: Spec, chance: random.Random) -> str:
    """A first statement that is missing, late, or of another version."""
    rest = spec.text.replace("hvae 1", "", 1)
    return chance.choice((rest, f"{rest}\nhvae 1\n", f"hvae1{rest}", f"hvae 2{rest}", f"havae 1{rest}"))


# --- values


def foreign_value(spec: Spec, chance: random.Random) -> str | None:
    """A value in the form of another language or tool."""
    _, item = chance.choice(spec.assignments)
    text, written = item.value.span.text, []
    if "#" in text or "\n" in text or "\r" in text:
        return None
    match item.value:
        case ast.Integer(value=value):
            written = [
                f"{value}.0",
                f'"{text}"',
                f"'{text}'",
                f"{value:.14e}",
                f"{value}G",
                f"${{n{value}}}",
            ]
        case ast.Symbol(name=name):
            written = [f'"{name}"', f"'{name}'", _misspelled(name, chance), "off", f"{name}(1)", f"({name})"]
        case ast.String(value=value):
            written = [f"'{value}'", text[1:-1], text[:-1], text.replace(":", "/"), f'"{value}\\d"']
        case ast.Map():
            written = [text[1:-1], f'"{text[1:-1]}"', text.replace("}", ", 8: 1}"), "32"]
        case ast.Call():
            written = [
                text[:-1] + ", k = 3)",
                text[:-1] + ", bits = 3)",
                text.replace("10", ""),
                item.value.function.text,
            ]
        case ast.List():
            written = [f"({text.strip('[]')})", f'"{text}"', text.replace(",", ";"), f"{text.strip('[]')},"]
        case ast.Float():
            written = [f'"{text}"', f"({text})", f"{text}%"]
        case _:
            return None
    return spec.with_text(item.value.span, chance.choice(written))


# --- block lists

_ENTRY = re.compile(r"(?<![\w.$])([0-9]+)([xrdm])([0-9]+)(?![\w.])")


def wrong_entry(spec: Spec, chance: random.Random) -> str | None:
    """An entry of a block list with another number, operator, label or place."""
    _, item = chance.choice([(dotted, item) for dotted, item in spec.assignments if dotted.endswith("coder")])
    entries = list(_ENTRY.finditer(spec.text, item.value.span.start, item.value.span.end))
    if not entries or "#" in item.value.span.text:
        return None
    entry = chance.choice(entries)
    resolution, operator, number = entry.groups()
    written = chance.choice(
        (
            f"{resolution}{operator}{int(number) + 1}",
            f"{resolution}{operator}{int(number) * 2}",
            f"{resolution}{operator}0",
            f"{resolution}{operator}",
            f"{resolution}{operator}$",
            f"{resolution}{operator}{number}@lone",
            f"{resolution}{operator.upper()}{number}",
            f"{resolution} {operator} {number}",
            f"{resolution}{operator}nope",
            f"{resolution}{operator}$nope",
            f"{int(resolution) * 2}{operator}{number}",
            f"{resolution}{chance.choice('xrdmq')}{number}",
            f"{resolution}b{number}" if operator == "x" else f"{resolution}{operator}",
            f"({resolution}x{number})*2" if operator == "x" else f"{resolution}{operator}$",
            f"({resolution}{operator}{number}, {resolution}x1)@g",
            f"{resolution}x1 {resolution}{operator}{number}",
            f"{resolution}r1, {resolution}x1, {resolution}x2, {resolution}{operator}{number}",
            f"{resolution}r50, {resolution}{operator}{number}",
        )
    )
    return f"{spec.text[: entry.start()]}{written}{spec.text[entry.end() :]}"


def entry_left_out(spec: Spec, chance: random.Random) -> str | None:
    """A block list without one of its items."""
    found = [item for dotted, item in spec.assignments if dotted.endswith("coder") and isinstance(item.value, ast.List)]
    lists = [item.value for item in found if isinstance(item.value, ast.List) and len(item.value.items) > 1]
    if not lists:
        return None
    blocks = chance.choice(lists)
    at = chance.choice((0, len(blocks.items) - 1, chance.randrange(len(blocks.items))))
    if "$" in blocks.items[at].span.text:  # a named list has several entries, which are several mistakes
        return None
    first, last = (
        (blocks.items[at - 1].span.end, blocks.items[at].span.end)
        if at
        else (
            blocks.items[0].span.start,
            blocks.items[1].span.start,
        )
    )
    return spec.text[:first] + spec.text[last:]


def swapped_lists(spec: Spec, chance: random.Random) -> str | None:
    lists = {dotted: item.value.span for dotted, item in spec.assignments if dotted.endswith("coder")}
    first, second = sorted(lists.values(), key=lambda span: span.start)
    text = spec.text
    return text[: first.start] + second.text + text[first.end : second.start] + first.text + text[second.end :]


# --- settings

_SETTINGS = (
    *("data.binarize = dynamic", "data.channels = 3", "data.channels = 2", "data.dataset = npy", "data.levels = 7"),
    *("model.likelihood = bernoulli", "model.likelihood = mixture_of_logistics(10, bits = 5)", "model.skips = none"),
    "model.processing = synchronous",
    *("model.pooling = wavelet(haar)", "model.pooling = wavelet(db3)", "model.pooling = strided(2)"),
    *("model.cell = euler_maruyama", 'model.cell = "parts.py/Cell"', "model.widths = {8: 3, 4: 500}"),
    *("model.bottleneck = 0.01", "model.width = 2", "model.latent = 3", 'data.path = "C:\\new"', "train.steps = 100"),
    *("train.clip_norm = 200", "train.skip_above = 0.5", "train.ema_decay = 0.99999", "train.gpu_memory = 0.3"),
    *("train.batch_size = 100k", "train.learning_rate = 1", "train.betas = 0.9", "sample.temperature = {3: 0.5}"),
    *(
        "model.latent = {8: 0, other: 4}",
        "model.latent = {3: 5}",
        "model.latent = {4: 2, rest: 0}",
        "model.latent = {}",
    ),
    *("model.cell = {7: nvae, other: vdvae}", "model.cell = {1: nvae}", "model.bottleneck = {5: 0.01, other: 0.2}"),
    *("train.skip_above = adaptive(0.9)", "train.skip_above = adaptive(2, 100)", "train.on_spike = rolback"),
    *("train.skip_above = adaptive(0.9, 100, k = 3)", "train.on_spike = rollback(0)", "train.on_spike = 3"),
    *("train.micro_batch = 3", "train.micro_batch = 0", "train.micro_batch = 1M"),
    *("train.stop_after = 0", "train.stop_after = 3", "data.validation = 0"),
    *("train.steps = 20 epochs", "train.steps = 0 epochs", "train.eval_every = 2 epochs"),
    *("train.freeze = encoder.stm", "train.freeze = encoder, decoder, likelihood", "train.rates = {decoder.r3: 2}"),
    *("train.rates = encoder", "train.freeze = decoder.blocks.r4_0.x", "train.rates = {encoder: 0}"),
    *("train.freeze = encoder.*", 'train.freeze = "encoder.*"', "train.rates = {decoder.blocks.*: 0.1}"),
    *("sample.channels = rgb", "data.resolution = (0, 20)", "train.augment.random_crop = 20, 0"),
    *("train.kl.weight = {1: 0.5}", "train.kl.weight = -1"),
    *("model.widths = {1: 40, other: 30}", "sample.temperature = {2: 0.5, other: 0.9}"),
    *("model.normalize_state.norm = l3", "model.fourier.at = block, branches, block", "model.fourier.at = bloc"),
)


def other_setting(spec: Spec, chance: random.Random) -> str | None:
    """A value that may not fit the others, or is far from those of the published models."""
    dotted, value = chance.choice(_SETTINGS).split(" = ", 1)
    for known, item in spec.assignments:
        if known == dotted:
            return spec.with_text(item.value.span, f"{value} ")
    section, _, key = dotted.rpartition(".")
    for statement in spec.statements:
        if isinstance(statement, ast.Section) and statement.name.text == section:
            end = statement.span.end - 1
            return f"{spec.text[:end]}\n{key} = {value}\n{spec.text[end:]}"
    return None


MISTAKES: tuple[Mistake, ...] = (
    *(misspelled_key, misspelled_section, foreign_name, stray_statement, missing_statement, doubled_statement),
    *(no_equal_sign, section_inside, damaged_start, foreign_value, foreign_value, other_setting, other_setting),
    *(wrong_entry, wrong_entry, wrong_entry, entry_left_out, swapped_lists),
)
