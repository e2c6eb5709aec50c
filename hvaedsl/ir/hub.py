"""Datasets of the Hugging Face Hub: the form of their names, `hf:OWNER/NAME`. Nothing here opens a file."""

from __future__ import annotations

import re

PREFIX = "hf:"
# The keys of `data` that only such a dataset has, and what they choose one of.
HUB_KEYS = {"config": "configurations", "column": "columns"}
# The names that the Hub gives out: at most 96 characters of these, at each end a letter, a digit or `_`
# (huggingface_hub, `validate_repo_id`).
_PART = r"\w(?:[\w.-]*\w)?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}", re.ASCII)
_LONGEST = 96
# Other ways to write such a name: the address of its page or of a file in it; `hf:` with spaces or in capitals.
_MEANT = re.compile(
    r"(?:(?P<address>(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/|hf://(?:datasets/)?)"
    r"|hf\s*[:/]\s*(?:datasets/)?)"
    rf"\s*(?P<owner>{_PART})\s*/\s*(?P<name>{_PART})(?(address)(?:[/?#@].*)?)",
    re.ASCII | re.IGNORECASE,
)


def is_hub(dataset: str) -> bool:
    """Whether a value of `data.dataset` is the name of a dataset of the Hugging Face Hub."""
    return dataset.startswith(PREFIX) and _is_repository(dataset.removeprefix(PREFIX))


def repository(dataset: str) -> str:
    """The name as the Hub has it, `OWNER/NAME`."""
    return dataset.removeprefix(PREFIX)


def tries_to_be_hub(text: str) -> bool:
    """Whether a text is meant as such a name, right or wrong."""
    written = text.strip().lower()
    return bool(re.match(r"hf\s*:", written)) or _MEANT.fullmatch(written) is not None


def meant_as_hub(text: str) -> str:
    """The name that another form of it means, such as the address of the dataset's page; empty if there is none."""
    found = _MEANT.fullmatch(text.strip())
    if found is None or not _is_repository(f"{found['owner']}/{found['name']}"):
        return ""
    return f"{PREFIX}{found['owner']}/{found['name']}"


def _is_repository(name: str) -> bool:
    if _REPOSITORY.fullmatch(name) is None or len(name) > _LONGEST:
        return False
    return "--" not in name and ".." not in name and not name.endswith(".git")
