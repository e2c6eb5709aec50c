"""Recorded editing sessions: a seeded generator, and the form of the files in `benchmarks/sessions`.

    python -m benchmarks.editor_session        # records the sessions again

A session has the texts that are open at its start and a list of steps. An edit replaces a range of a text, given in
code points, and names the seconds until the next step. A request names its method and its place. A burst is a row of
edits without any pause, each followed by a completion that the next edit cancels, as editors do it.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field
from typing import Literal

from benchmarks.measurement import ROOT

FOLDER = ROOT / "benchmarks" / "sessions"
SEED = 20
EDITS, COMPLETIONS, BURST = 500, 200, 100
KEY_SECONDS = 0.06  # between two keys of a fast typist
PAUSE_SECONDS = 1.0  # after which the diagnostics must be those of lint
LONG = 2000  # entries of each list of the session `long`

Kind = Literal["edit", "completion", "hover", "semanticTokens/full", "pause", "burst"]


@dataclass(frozen=True)
class Step:
    """One action of the user or the editor; `at` and `until` are offsets in the text of `file`."""

    kind: Kind
    file: str = ""
    at: int = 0
    until: int = 0
    text: str = ""
    seconds: float = 0.0


@dataclass
class Session:
    """The texts that are open at the start, by file name, and the steps."""

    name: str
    texts: dict[str, str]
    steps: list[Step] = field(default_factory=list)

    def save(self) -> None:
        """Write the session to its file: a line for the texts, and a line for each step."""
        lines = [json.dumps(self.texts), *(json.dumps(list(asdict(step).values())) for step in self.steps)]
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{self.name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def load(name: str) -> Session:
    """Read a recorded session."""
    texts, *steps = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return Session(name, json.loads(texts), [Step(*json.loads(step)) for step in steps])


def long_texts(entries: int = LONG) -> dict[str, str]:
    """A spec with two long lists, and its base with the constant that they use."""
    half = entries // 2 - 2
    encoder = [
        *_cycle(["32x1", "32r$n", "2*32x1", "32r3@a"], half),
        "32d2",
        *_cycle(["16x1", "16r2"], half),
        "16d16",
        "1x1",
    ]
    decoder = ["1x1", "16m1", *_cycle(["16x1", "16r$n"], half), "32m16", *_cycle(["32x1", "32r2", "2*32x3"], half)]
    base = "hvae 1\nlet n = 3\n\ndata { dataset = cifar10 }\n\nmodel {\n  width  = 8\n  latent = 2\n}\n"
    return {"base.hvae": base, "spec.hvae": f'hvae 1\nextends "base.hvae"\n\n{_model(encoder, decoder)}'}


def named_texts() -> dict[str, str]:
    """A spec of 20 named lists of 100 entries each."""
    lists = [f"let s{index} = {', '.join(_cycle(['16x1', '16r$n', '2*16x1'], 100))}" for index in range(20)]
    encoder = ["32x2", "32d2", *(f"$s{index}" for index in range(20)), "16d16", "1x1"]
    decoder = ["1x1", "16m1", *(f"$s{index}" for index in reversed(range(20))), "32m16", "32x2"]
    start = "hvae 1\nlet n = 3\n\ndata { dataset = cifar10 }\n\n"
    sizes = "model {\n  width  = 8\n  latent = 2\n}\n"
    model = _model(encoder, decoder).replace("model {\n", sizes.removesuffix("}\n"))
    return {"spec.hvae": f"{start}{chr(10).join(lists)}\n\n{model}"}


def based_texts() -> dict[str, str]:
    """Three files, each with the list of the one before it in its own."""
    first = ["1x1", "16m1", *_cycle(["16x1", "16r$n"], 600), "32m16", "32x1"]
    encoder = [*_cycle(["32x1", "32r$n"], 600), "32d2", "16x1", "16d16", "1x1"]
    root = long_texts(4)["base.hvae"].removesuffix("}\n") + _model(encoder, first).removeprefix("model {\n")
    middle = ["$base", *_cycle(["32x1", "32r2"], 600)]
    own = ["$base", *_cycle(["32x3", "32r$n"], 600)]
    return {
        "root.hvae": root,
        "base.hvae": f'hvae 1\nextends "root.hvae"\n\nmodel {{\n  decoder = {", ".join(middle)}\n}}\n',
        "spec.hvae": f'hvae 1\nextends "base.hvae"\n\nmodel {{\n  decoder = {", ".join(own)}\n}}\n',
    }


def shipped_texts() -> dict[str, str]:
    """A shipped spec with its base, and that of its base, under other names."""
    names = {"cifar_ws.hvae": "spec.hvae", "cifar.hvae": "base.hvae", "vdvae.hvae": "vdvae.hvae"}
    texts = {new: (ROOT / "specs" / old).read_text(encoding="utf-8") for old, new in names.items()}
    return {new: text.replace('"cifar.hvae"', '"base.hvae"') for new, text in reversed(texts.items())}


SETUPS = {"long": long_texts, "named": named_texts, "based": based_texts, "shipped": shipped_texts}


def _model(encoder: list[str], decoder: list[str]) -> str:
    return f"model {{\n  encoder = {', '.join(encoder)}\n  decoder = {', '.join(decoder)}\n}}\n"


def _cycle(entries: list[str], count: int) -> list[str]:
    return [entries[index % len(entries)] for index in range(count)]


class Recorder:
    """Writes a session step by step, and keeps the texts as they are."""

    def __init__(self, name: str, texts: dict[str, str], seed: int) -> None:
        self.session = Session(name, dict(texts))
        self.texts = dict(texts)
        self.rng = random.Random(f"{name} {seed}")
        self.edits = self.completions = 0

    def edit(self, file: str, at: int, until: int, text: str, seconds: float = KEY_SECONDS) -> None:
        """Replace a range of a text."""
        self.texts[file] = self.texts[file][:at] + text + self.texts[file][until:]
        self.session.steps.append(Step("edit", file, at, until, text, seconds))
        self.edits += 1

    def ask(self, kind: Kind, file: str, at: int = 0) -> None:
        """Request something about a place."""
        self.session.steps.append(Step(kind, file, at))
        self.completions += kind == "completion"

    def types(self, file: str, at: int, text: str) -> int:
        """Type a text key by key, with a completion after every second key; return the offset behind it."""
        for index, letter in enumerate(text):
            self.edit(file, at, at, letter)
            at += 1
            if index % 2 or letter in " ,(":
                self.ask("completion", file, at)
        return at

    def pause(self, seconds: float = 0.2) -> None:
        """Stop typing; the editor asks for colors, and the user hovers over something."""
        file = self.rng.choice(list(self.texts))
        self.ask("semanticTokens/full", file)
        self.session.steps.append(Step("pause", seconds=seconds))
        self.ask("hover", "spec.hvae", self.place("spec.hvae", self.rng.random()))

    def place(self, file: str, share: float) -> int:
        """The start of the entry that is about this far in one of the lists of a file."""
        lists = [found for found in _lists(self.texts[file]) if found]
        places = self.rng.choice(lists) if lists else [len(self.texts[file])]
        return places[min(len(places) - 1, int(share * len(places)))]


def _lists(text: str) -> list[list[int]]:
    """The offsets of the entries of each list of several entries, without its first one."""
    found = []
    start = 0
    for line in text.splitlines(keepends=True):
        if " = " in line and line.count(", ") > 1:
            found.append([start + at + 2 for at in range(len(line)) if line.startswith(", ", at)])
        start += len(line)
    return found


def record(
    name: str,
    texts: dict[str, str],
    *,
    edits: int = EDITS,
    completions: int = COMPLETIONS,
    burst: int = BURST,
    seed: int = SEED,
) -> Session:
    """Make a session with at least this many edits and completions; its last step is a burst."""
    made = Recorder(name, texts, seed)
    actions = [_entry, _slip, _bracket, _paste, _constant, _in_base, _erase]
    turn = 0
    while made.edits < edits or made.completions < completions:
        if turn % len(actions) == 0:
            made.rng.shuffle(actions)
        before = dict(made.texts)
        actions[turn % len(actions)](made)
        made.pause(PAUSE_SECONDS if turn % 3 == 1 else 0.2)
        for file in before:  # every action is undone at once, so that the lists keep their length
            _undo(made, file, before[file])
        if turn % 3 == 0:
            made.pause(PAUSE_SECONDS)
        turn += 1
    _burst(made, burst)
    return made.session


def _entry(made: Recorder) -> None:
    """Type an entry at the start, in the middle or at the end of a list."""
    at = made.place("spec.hvae", made.rng.choice([0.0, 0.5, 1.0]))
    made.types("spec.hvae", at, made.rng.choice(["32x2, ", "16r$n, ", "2*16x1, ", "32r3@a, "]))


def _slip(made: Recorder) -> None:
    """Type something wrong."""
    at = made.place("spec.hvae", made.rng.choice([0.0, 0.5, 1.0]))
    made.types("spec.hvae", at, made.rng.choice(["16d3, ", "32y2 ", "32x2 32x1, ", ", ", "7x1, "]))


def _bracket(made: Recorder) -> None:
    """Type in a bracket that is not closed."""
    at = made.place("spec.hvae", made.rng.choice([0.0, 0.5, 1.0]))
    at = made.types("spec.hvae", at, "2*(16x1, 1")
    made.pause()
    made.types("spec.hvae", at, "6r2), ")


def _paste(made: Recorder) -> None:
    """Paste some entries, and ask behind them."""
    at = made.place("spec.hvae", made.rng.choice([0.0, 0.5, 1.0]))
    pasted = "16x1, 16r2, " * 15
    made.edit("spec.hvae", at, at, pasted)
    made.ask("completion", "spec.hvae", at + len(pasted))


def _constant(made: Recorder) -> None:
    """Change the constant that is used everywhere; in a text without one, the width or a number of entries."""
    for file, text in made.texts.items():
        for word in ("let n = ", "width  = ", "width   = "):
            if word in text:
                at = text.index(word) + len(word)
                made.edit(file, at, at + 1, "4")
                made.ask("completion", file, at + 1)
                made.types(file, at + 1, "2")
                made.ask("completion", "spec.hvae", made.place("spec.hvae", made.rng.random()))
                return


def _in_base(made: Recorder) -> None:
    """Type in the base, or in the only file; then ask in the spec."""
    file = "base.hvae" if "base.hvae" in made.texts else "spec.hvae"
    at = made.texts[file].rindex("}")
    made.types(file, at, "  kernel")
    made.ask("completion", "spec.hvae", made.place("spec.hvae", made.rng.random()))


def _erase(made: Recorder) -> None:
    """Erase an entry with the backspace key."""
    end = made.place("spec.hvae", made.rng.choice([0.0, 0.5, 1.0]))
    for at in range(end - 1, end - 5, -1):
        made.edit("spec.hvae", at, at + 1, "")
        if at % 2:
            made.ask("completion", "spec.hvae", at)


def _undo(made: Recorder, file: str, before: str) -> None:
    """Go back to an earlier text in one or two edits, as undo does, and ask there."""
    now = made.texts[file]
    if now == before:
        return
    start = next(
        (at for at, (one, other) in enumerate(zip(now, before, strict=False)) if one != other),
        min(len(now), len(before)),
    )
    same = 0
    while same < min(len(now), len(before)) - start and now[-1 - same] == before[-1 - same]:
        same += 1
    now_end, end = len(now) - same, len(before) - same
    half = (start + end) // 2
    if half > start:
        made.edit(file, start, now_end, before[start:half])
        made.edit(file, half, half, before[half:end])
    else:
        made.edit(file, start, now_end, before[start:end])
    if made.rng.random() < 0.5:
        made.ask("completion", file, end)


def _burst(made: Recorder, count: int) -> None:
    """Many edits without a pause."""
    at = made.place("spec.hvae", 0.5)
    keys = ("16x1, " * count)[:count]
    made.edits += count
    made.session.steps.append(Step("burst", "spec.hvae", at, at, keys))


def main() -> None:
    """Write all sessions."""
    for name, texts in SETUPS.items():
        record(name, texts()).save()


if __name__ == "__main__":
    main()
