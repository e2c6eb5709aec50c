"""HV254: the number of validation images that is proposed, published or an example."""

from __future__ import annotations

import pytest

import hvaedsl
from hvaedsl.diagnostics.diagnostic import edited
from hvaedsl.diagnostics.snippet import spec
from tests.elaborate.written import found

OWN = "channels = 1  resolution = 8"


@pytest.mark.parametrize(
    ("data", "validation", "help_text"),
    [
        ("dataset = digits  validation = 0", 180, "write `validation = 180`, or remove `stop_after`"),
        (
            f"dataset = npy  {OWN}",
            1000,
            "write for example `validation = 1000` of 10,000 images, or remove `stop_after`",
        ),
        (
            f"dataset = folder  {OWN}  validation = 0",
            1000,
            "write for example `validation = 1000` of 10,000 images, or remove `stop_after`",
        ),
    ],
)
def test_a_number_for_your_own_images_is_an_example(data: str, validation: int, help_text: str) -> None:
    text = spec(data=data, rest="train { stop_after = 5 }")
    (item,) = found(text)
    assert (item.code, item.help_text) == ("HV254", help_text)
    (way,) = item.suggestions
    assert hvaedsl.loads(edited(text, way.edits)).spec.data.validation == validation
