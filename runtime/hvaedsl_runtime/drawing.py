"""matplotlib as the packages that draw use it: figures are saved, never shown, and look the same for every user."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.printable import printable

# The settings of matplotlib that are not about the look of a figure, and that a context cannot restore.
_NOT_STYLE = frozenset(("backend", "backend_fallback", "interactive"))


# matplotlib brings the first font. The others, if they are installed, draw names in Chinese, Japanese and Korean.
_FONT = "DejaVu Sans"
_MORE_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR"),
    *("Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAexGothic", "NanumGothic"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
)


def import_matplotlib() -> None:
    """Import matplotlib without the backend of the environment; the packages that draw call this first.

    Jupyter exports MPLBACKEND to the commands of a notebook, and the import fails if another environment has that
    backend. That matplotlib cannot write to the home folder is not logged: it uses a temporary folder, and draws the
    same. Raises UsageError if a matplotlibrc is not UTF-8 text.
    """
    logging.getLogger("matplotlib").addFilter(_is_not_about_its_folder)
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib  # noqa: F401 - for the imports of its modules
    except UnicodeDecodeError as error:
        raise UsageError(
            f"matplotlib cannot read its settings: {error}",
            help="save the file matplotlibrc as UTF-8, or remove it; its settings do not change figures of hvaedsl",
        ) from error
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend


@contextmanager
def own_settings(settings: Mapping[str, Any]) -> Iterator[None]:
    """Draw with matplotlib's defaults and `settings` inside the block, without those of a user's matplotlibrc.

    Characters that no font has are not warned about: `as_label` writes them in ASCII.
    """
    import matplotlib as mpl

    drawn: dict[Any, Any] = {name: value for name, value in mpl.rcParamsDefault.items() if name not in _NOT_STYLE}
    drawn.update(settings)
    drawn["font.family"] = list(_fonts())
    with mpl.rc_context(drawn), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ ", category=UserWarning)
        yield


def as_label(text: str) -> str:
    r"""A name of the user as a label: on one line, without mathematics between two $, and never left out of a legend.

    matplotlib takes a text with an even number of $ as TeX, refuses bytes that are no text, and leaves out labels that
    begin with _. It draws equal boxes for characters that no font has: these are written as their numbers, `\u56fe`.
    """
    known = _characters()
    plain = "".join(
        each if ord(each) in known else each.encode("ascii", "backslashreplace").decode() for each in printable(text)
    )
    shown = plain.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


@cache
def _fonts() -> tuple[str, ...]:
    """The font of all labels, and those that draw what it lacks."""
    from matplotlib.font_manager import fontManager

    installed = {entry.name for entry in fontManager.ttflist}
    return _FONT, *(name for name in _MORE_FONTS if name in installed)


@cache
def _characters() -> frozenset[int]:
    """The characters that the fonts have."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset().union(*(get_font(findfont(name)).get_charmap() for name in _fonts()))


def _is_not_about_its_folder(record: logging.LogRecord) -> bool:
    # "mkdir -p failed for path ...", "... is not a writable directory", "... created a temporary cache directory ..."
    return record.levelno != logging.WARNING or not any(word in str(record.msg) for word in ("mkdir", "directory"))
