from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from hvaedsl_runtime.disk.strict_json import json_text, model_of, model_text


class Found(BaseModel):
    name: str
    paths: tuple[Path, ...] = ()


def test_what_is_not_finite_is_null_at_any_depth() -> None:
    content = {"a": math.nan, "b": {"c": [1.5, -math.inf, (math.inf, 2)]}, "d": True, "e": None, "f": "NaN"}
    expected = {"a": None, "b": {"c": [1.5, None, [None, 2]]}, "d": True, "e": None, "f": "NaN"}
    assert json.loads(json_text(content)) == expected
    assert json_text({"a": math.nan}, indent=2) == '{\n  "a": null\n}'


def test_a_name_that_is_not_utf_8_is_read_back() -> None:
    name = os.fsdecode(b"caf\xe9")
    found = Found(name=name, paths=(Path(name),))
    assert model_text(found).isascii()
    assert model_of(Found, model_text(found, indent=2)) == found


@pytest.mark.parametrize("text", ["", "{", '{"name": 1}', "[]", b"\xff"])
def test_another_text_is_no_model(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        model_of(Found, text)
    assert isinstance(caught.value, ValidationError) == (text in ('{"name": 1}', "[]"))
