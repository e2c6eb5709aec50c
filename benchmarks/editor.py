"""Speed of `hvaedsl lsp`: recorded editing sessions, played by a client over pipes.

    python -m benchmarks.editor                  # all sessions; exit code 1 if a bound is exceeded
    python -m benchmarks.editor long --json      # one of them: long, named, based or shipped
    python -m benchmarks.editor --root OTHER     # measures another checkout of hvaedsl

Times are wall times as the client sees them, and CPU times of the server and its children: a loaded machine lengthens
the first only. Every answer is compared with that of a fresh server which opens the same texts, and the diagnostics
that are published at every pause with those of `hvaedsl lint`. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.editor_session import PAUSE_SECONDS, SETUPS, Session, Step, load
from benchmarks.fresh_server import FreshServers
from benchmarks.measurement import PROGRAM, ROOT, Figure, print_figures
from tests.lsp.client import Client

# Bounds.
SHARE = 0.95  # of the completions within the time, and of the answers that are those of a fresh server
SECONDS = {"long": 0.1, "named": 0.1, "based": 0.1, "shipped": 0.03}
IDLE_SECONDS = 1.0  # after the last edit
IDLE_SHARE = 0.02  # of one core
MEMORY_RATIO = 1.1
WATCHED_SECONDS = 60.0  # at most until the server is idle
_WINDOW_SECONDS = 0.25
_PUBLISH_SECONDS = 30.0  # until the diagnostics of a pause arrive; they are compared when they do


Place = tuple[str, str, int, int]


@dataclass
class Asked:
    """A request of the session, its answer and what it cost."""

    method: str
    texts: Mapping[str, str]
    file: str
    at: int
    answer: Any
    seconds: float
    cpu: float


@dataclass
class Played:
    """What a session has shown."""

    asked: list[Asked] = field(default_factory=list)
    pauses: list[tuple[Mapping[str, str], dict[str, list[Any]]]] = field(default_factory=list)
    idle_seconds: float = 0.0
    idle_cpu: float = 0.0  # seconds, from the last edit on
    cpu: float = 0.0
    memory: tuple[int, int, int] = (0, 0, 0)  # bytes after opening, after a first edit, and after the session


class Player:
    """Plays one session with one server."""

    def __init__(self, session: Session, root: Path, folder: Path) -> None:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(root), str(root / "runtime")])
        self.session = session
        self.texts = dict(session.texts)
        self.uris = {file: (folder / file).as_uri() for file in self.texts}
        for file, text in self.texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        self.client = Client(folder)
        self.played = Played()

    def play(self) -> Played:
        """Open the texts and play the steps."""
        for file, text in self.texts.items():
            self.client.open(self.uris[file], text)
        for uri in self.uris.values():
            self.client.found(uri)
        for kind in ("completion", "hover", "semanticTokens/full"):  # what is loaded on first use is loaded
            self._ask(kind, "spec.hvae", len(self.texts["spec.hvae"]) // 2)
        self.played.asked.clear()
        time.sleep(1)

        # From the first edit on, the results of two texts are held: the last good one, and the one that is compiled.
        opened = self._memory()
        for text in (self.texts["spec.hvae"] + "\n", self.texts["spec.hvae"]):
            self.client.change(self.uris["spec.hvae"], text)
            self.client.found(self.uris["spec.hvae"])
        before, cpu = self._memory(), self._cpu()
        for step in self.session.steps:
            self._step(step)
        self.played.cpu = self._cpu() - cpu
        self.played.memory = opened, before, self._memory()
        code, errors = self.client.close()
        if code or errors:
            raise RuntimeError(f"the server exited with code {code}: {errors}")
        return self.played

    def _step(self, step: Step) -> None:
        match step.kind:
            case "edit":
                self._edit(step)
                time.sleep(step.seconds)
            case "pause":
                time.sleep(step.seconds)
                if step.seconds >= PAUSE_SECONDS:
                    found = {file: self._found(uri) for file, uri in self.uris.items()}
                    self.played.pauses.append((dict(self.texts), found))
            case "burst":
                self._burst(step)
            case _:
                self._ask(step.kind, step.file, step.at)

    def _edit(self, step: Step) -> None:
        text = self.texts[step.file]
        self.texts[step.file] = text[: step.at] + step.text + text[step.until :]
        self.client.change(self.uris[step.file], self.texts[step.file])

    def _ask(self, kind: str, file: str, at: int) -> None:
        parameters = _parameters(kind, self.uris[file], self.texts[file], at)
        cpu, start = self._cpu(), time.perf_counter()
        answer = self.client.request(f"textDocument/{kind}", parameters)
        seconds = time.perf_counter() - start
        self.played.asked.append(Asked(kind, dict(self.texts), file, at, answer, seconds, self._cpu() - cpu))

    def _found(self, uri: str) -> list[Any]:
        """The diagnostics of the present texts.

        Those of a text whose base has changed keep its version, so the last ones are taken once nothing is compiled.
        """
        deadline = time.monotonic() + _PUBLISH_SECONDS
        while time.monotonic() < deadline:
            self.client.request("textDocument/foldingRange", {"textDocument": {"uri": uri}})
            cpu = self._cpu()
            time.sleep(0.2)
            if self._cpu() - cpu < 0.02:
                self.client.request("textDocument/foldingRange", {"textDocument": {"uri": uri}})
                break
        return self.client.found(uri)

    def _burst(self, step: Step) -> None:
        """Type without pause. Every key cancels the completion that the key before it has requested."""
        sent: list[int] = []
        at = step.at
        for letter in step.text:
            if sent:
                self.client.notify("$/cancelRequest", {"id": sent[-1]})
            self._edit(Step("edit", step.file, at, at, letter))
            at += 1
            parameters = _parameters("completion", self.uris[step.file], self.texts[step.file], at)
            sent.append(self.client.send("textDocument/completion", parameters))
            time.sleep(0.005)
        start, cpu = time.monotonic(), self._cpu()

        # Idle from the start of the first window after which no window is busy.
        idle = 0.0
        while (now := time.monotonic() - start) < WATCHED_SECONDS and now < idle + 3 + _WINDOW_SECONDS:
            before, begin = self._cpu(), time.monotonic()
            time.sleep(_WINDOW_SECONDS)
            if (self._cpu() - before) / (time.monotonic() - begin) >= IDLE_SHARE:
                idle = time.monotonic() - start
        self.played.idle_seconds, self.played.idle_cpu = idle, self._cpu() - cpu
        for number in sent:
            self.client.answer(number)

    def _cpu(self) -> float:
        return sum(time.clock_gettime((~process << 3) | 2) for process in self._processes())  # see clock_getcpuclockid

    def _memory(self) -> int:
        pages = (int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in self._processes())
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")

    def _processes(self) -> list[int]:
        """The server and its children."""
        found = [self.client.process.pid]
        for process in found:
            for thread in Path(f"/proc/{process}/task").iterdir():
                try:
                    found += map(int, (thread / "children").read_text().split())
                except OSError:  # the thread has ended
                    continue
        return found


def _parameters(kind: str, uri: str, text: str, at: int) -> dict[str, Any]:
    document = {"textDocument": {"uri": uri}}
    if kind == "semanticTokens/full":
        return document
    line = text.count("\n", 0, at)
    return {**document, "position": {"line": line, "character": at - (text.rfind("\n", 0, at) + 1)}}


def unequal(played: Played, root: Path) -> tuple[list[Asked], list[Asked]]:
    """The answers that differ from those of fresh servers: where the text parses, and where it does not."""
    servers = FreshServers(root)
    parses: list[Asked] = []
    damaged: list[Asked] = []
    try:
        for asked in played.asked:
            # Restated by hand: the method and the place, as the client has sent them.
            parameters = _parameters(asked.method, "URI", asked.texts[asked.file], asked.at)
            fresh, is_damaged = servers.answer(asked.method, asked.texts, asked.file, parameters)
            if fresh != asked.answer:
                (damaged if is_damaged else parses).append(asked)
    finally:
        servers.close()
    return parses, damaged


def unequal_to_lint(played: Played, root: Path, folder: Path) -> list[str]:
    """The texts at pauses whose published diagnostics are not those of `hvaedsl lint`."""
    for index, (texts, _) in enumerate(played.pauses):
        (folder / str(index)).mkdir()
        for file, text in texts.items():
            (folder / str(index) / file).write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(root), "HVAEDSL_CACHE": "off"}
    command = [sys.executable, "-c", PROGRAM, "lint", ".", "--format", "json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    expected: dict[int, set[Place]] = {index: set() for index in range(len(played.pauses))}
    for item in json.loads(done.stdout):
        path = Path(item["path"])
        expected[int(path.parts[0])].add((path.name, item["code"], item["line"], item["column"]))
    return [
        f"pause {index}: {sorted(expected[index] ^ _places(found))}"
        for index, (_, found) in enumerate(played.pauses)
        if expected[index] != _places(found)
    ]


def _places(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> set[Place]:
    """The file, code, line and column of each diagnostic; one of a base is published with its place there."""
    places = set()
    for file, items in found.items():
        for item in items:
            where, start = file, item["range"]["start"]
            for related in item.get("relatedInformation", [])[:1]:
                if related["message"] == "in this base":
                    where, start = Path(related["location"]["uri"]).name, related["location"]["range"]["start"]
            places.add((where, item["code"], start["line"] + 1, start["character"] + 1))
    return places


def figures(name: str, played: Played) -> list[Figure]:
    """The figures of a session."""
    made = []
    for kind in ("completion", "hover", "semanticTokens/full"):
        asked = [item for item in played.asked if item.method == kind]
        for what, values in (
            ("wall", sorted(item.seconds for item in asked)),
            ("cpu", sorted(item.cpu for item in asked)),
        ):
            limit = SECONDS[name]
            share = sum(value < limit for value in values) / max(1, len(values))
            bound = SHARE if what == "wall" else None
            made.append(
                Figure(f"{name}: {kind}, {what}: share below {limit * 1000:g} ms", share, "", bound, "at least")
            )
            made += [
                Figure(f"{name}: {kind}, {what}: {label}", 1000 * value, "ms")
                for label, value in (
                    ("median", statistics.median(values)),
                    ("95 %", values[int(0.95 * (len(values) - 1))]),
                    ("p99", values[int(0.99 * (len(values) - 1))]),
                    ("longest", values[-1]),
                )
            ]
    return [
        *made,
        Figure(f"{name}: server CPU", played.cpu, "s"),
        Figure(f"{name}: idle after the last edit", played.idle_seconds, "s", IDLE_SECONDS),
        Figure(f"{name}: server CPU after the last edit", played.idle_cpu, "s"),
        Figure(f"{name}: memory after opening", played.memory[0] / 2**20, "MiB"),
        Figure(f"{name}: memory after the first edit", played.memory[1] / 2**20, "MiB"),
        Figure(
            f"{name}: memory after the session / after the first edit",
            played.memory[2] / played.memory[1],
            "",
            MEMORY_RATIO,
        ),
    ]


def comparisons(
    name: str, played: Played, parses: Sequence[Asked], damaged: Sequence[Asked], lint: Sequence[str]
) -> list[Figure]:
    """The figures about what was answered and published."""
    wrong = len(parses) + len(damaged)
    return [
        Figure(f"{name}: answers of a fresh server", 1 - wrong / max(1, len(played.asked)), "", SHARE, "at least"),
        Figure(f"{name}: other answers where the text parses", len(parses), "", 0),
        Figure(f"{name}: pauses with other diagnostics than lint", len(lint), f"of {len(played.pauses)}", 0),
    ]


def measure(session: Session, root: Path = ROOT, *, compare: bool = True) -> tuple[list[Figure], list[str]]:
    """Play a session; its figures, and a line for each answer that differs, if they are compared."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "open").mkdir()
        (folder / "lint").mkdir()
        player = Player(session, root, folder / "open")
        try:
            played = player.play()
        finally:
            player.client.kill()
        if not compare:
            return figures(session.name, played), []
        parses, damaged = unequal(played, root)
        wrong = unequal_to_lint(played, root, folder / "lint")

    notes = [
        f"{session.name}: {what}: {item.method} in {item.file} behind {item.texts[item.file][: item.at][-20:]!r}"
        for what, items in (("differs, parses", parses), ("differs, does not parse", damaged))
        for item in items
    ]
    notes += [f"{session.name}: published differs from lint: {place}" for place in wrong]
    compared = comparisons(session.name, played, parses, damaged, wrong)
    return [*figures(session.name, played), *compared], notes


def main() -> int:
    """Measure and print; return exit code 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser(description="Speed of hvaedsl lsp.")
    parser.add_argument("sessions", nargs="*", metavar="SESSION", help=f"{', '.join(SETUPS)} [default: all]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--root", type=Path, default=ROOT, help="checkout to measure [default: this one]")
    parser.add_argument("--speed-only", action="store_true", help="compare no answers, which takes most of the time")
    options = parser.parse_args()
    made = []
    for name in options.sessions or SETUPS:
        found, notes = measure(load(name), options.root.resolve(), compare=not options.speed_only)
        made += found
        for note in notes:
            print(note, file=sys.stderr)
    return print_figures(made, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
