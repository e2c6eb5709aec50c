"""Somebody who types into an editor that speaks the protocol; all that is done and seen is written down."""

from __future__ import annotations

from typing import Any

from tests.lsp.client import Client

_SHOWN = 6  # completions of a list that the transcript shows


class Typist:
    """One text, a cursor in it, and the transcript of what was done and seen."""

    def __init__(self, client: Client, uri: str) -> None:
        self.client = client
        self.uri = uri
        self.text = ""
        self.cursor = 0
        self.transcript: list[str] = []
        client.open(uri, "")

    def types(self, text: str) -> None:
        """Type a text, letter by letter."""
        for letter in text:
            self._replace(self.cursor, self.cursor, letter)
        self.say(f"types   {text.replace(chr(10), '⏎')}")

    def erases(self, letters: int) -> None:
        """Take the last letters away."""
        gone = self.text[self.cursor - letters : self.cursor]
        self._replace(self.cursor - letters, self.cursor, "")
        self.say(f"erases  {gone}")

    def leaves(self, closing: str = "}") -> None:
        """Go behind the next closing bracket."""
        self.cursor = self.text.index(closing, self.cursor) + 1
        self.say(f"goes    behind the {closing}")

    def takes(self, label: str) -> None:
        """Ask for completions and take one."""
        offered = self.client.at("completion", self.uri, *self._place(self.cursor))
        labels = [item["label"] for item in offered]
        assert label in labels, (label, labels)
        chosen = offered[labels.index(label)]
        more = f", and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
        self.say(f"sees    {', '.join(labels[:_SHOWN])}{more}")
        self.say(f"takes   {label}    ({chosen['detail']})")
        start, end = self._offsets(chosen["textEdit"]["range"])
        new: str = chosen["textEdit"]["newText"]
        indent = " " * (len(self._line_before()) - len(self._line_before().lstrip()))
        if chosen["insertTextFormat"] == 2:
            new = new.replace("\\$", "$").replace("\n", f"\n{indent}")
        before, stop, after = new.partition("$0")
        self._replace(start, end, before + after)
        self.cursor = start + len(before) if stop else start + len(before + after)

    def reads(self) -> list[str]:
        """Look at what is underlined; the codes."""
        found = self.client.found(self.uri)
        for item in found:
            start, end = self._offsets(item["range"])
            first, *rest = item["message"].split("\n")
            self.say(f"reads   {item['code']} at `{self.text[start:end]}`: {first}")
            helps = [line for line in rest if line.startswith("help: ")]
            if helps:
                self.say(f"        {helps[0]}")
        if not found:
            self.say("reads   nothing is found")
        return [item["code"] for item in found]

    def fixes(self, code: str) -> None:
        """Take the first code action for a finding."""
        item = next(item for item in self.client.found(self.uri) if item["code"] == code)
        parameters = {"textDocument": {"uri": self.uri}, "range": item["range"], "context": {"diagnostics": [item]}}
        actions = self.client.request("textDocument/codeAction", parameters)
        self.say(f"fixes   {code} by `{actions[0]['title']}`")
        behind = len(self.text) - self.cursor
        for edit in reversed(actions[0]["edit"]["changes"][self.uri]):
            self._replace(*self._offsets(edit["range"]), edit["newText"])
        self.cursor = len(self.text) - behind

    def hovers(self, what: str) -> str:
        """Look at what stands at the first place of some words."""
        said: str = self.client.at("hover", self.uri, *self._place(self.text.index(what)))["contents"]["value"]
        for line in said.splitlines():
            if line:
                self.say(f"hovers  {line}")
        return said

    def formats(self) -> None:
        """Format the text."""
        options = {"tabSize": 2, "insertSpaces": True}
        for edit in self.client.request(
            "textDocument/formatting", {"textDocument": {"uri": self.uri}, "options": options}
        ):
            self._replace(*self._offsets(edit["range"]), edit["newText"])
        self.say("formats the text")

    def sees_hints(self) -> list[str]:
        """The inlay hints of the whole text."""
        end = self._position(len(self.text))
        where = {"start": {"line": 0, "character": 0}, "end": end}
        hints: list[dict[str, Any]] = self.client.request(
            "textDocument/inlayHint", {"textDocument": {"uri": self.uri}, "range": where}
        )
        labels = [str(item["label"]) for item in hints]
        self.say(f"sees    {', '.join(labels)}")
        return labels

    def say(self, line: str) -> None:
        """Write a line of the transcript."""
        self.transcript.append(line.rstrip())

    def _line_before(self) -> str:
        return self.text[self.text.rfind("\n", 0, self.cursor) + 1 : self.cursor]

    def _place(self, offset: int) -> tuple[int, int]:
        return self.text.count("\n", 0, offset), offset - (self.text.rfind("\n", 0, offset) + 1)

    def _position(self, offset: int) -> dict[str, int]:
        line, character = self._place(offset)
        return {"line": line, "character": character}

    def _offsets(self, where: dict[str, Any]) -> tuple[int, int]:
        lines = self.text.splitlines(True)
        starts = [sum(map(len, lines[:at])) for at in range(len(lines) + 1)]
        start, end = (starts[where[side]["line"]] + where[side]["character"] for side in ("start", "end"))
        return start, end

    def _replace(self, start: int, end: int, new: str) -> None:
        self.text = self.text[:start] + new + self.text[end:]
        self.cursor = start + len(new)
        self.client.change(self.uri, self.text)
