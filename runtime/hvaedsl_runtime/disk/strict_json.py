"""JSON without the NaN and Infinity that Python writes and the standard forbids; of dicts and of pydantic's models."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


def json_text(content: Mapping[str, Any], *, indent: int | None = None) -> str:
    """A JSON object as text; numbers that are not finite become null at any depth."""
    return json.dumps(_finite(content), indent=indent, allow_nan=False)


def model_text(model: BaseModel, *, indent: int | None = None) -> str:
    """A model of pydantic as a JSON object, in ASCII.

    Python has lone surrogates for the bytes of file names that are not UTF-8. They are escaped here, and `model_of`
    reads them back; pydantic's own functions refuse them.
    """
    return json_text(model.model_dump(mode="json"), indent=indent)


def model_of(kind: type[Model], text: str | bytes) -> Model:
    """The model in a text of `model_text`. Raises ValueError (or its subclass ValidationError) for any other text."""
    return kind.model_validate(json.loads(text))


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
        case _:
            return value
