"""The base class of values that a spec writes as a call with numbers, such as `adaptive(0.99, 1000)`."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import ClassVar

from hvaedsl.diagnostics.record import Record
from hvaedsl.ir.number_text import number_text


class CallValue(Record):
    """A value that is written as a call; its fields are the numbers in parentheses.

    Fields without a default come first. The call has them by place, and the others by name.
    """

    function: ClassVar[str]

    def __str__(self) -> str:
        """The call in the language, without arguments that are the default; without any argument, the name alone."""
        written = []
        for item in fields(self):
            value, required = getattr(self, item.name), item.default is MISSING
            if required or value != item.default:
                written.append(number_text(value) if required else f"{item.name} = {number_text(value)}")
        return f"{self.function}({', '.join(written)})" if written else self.function
