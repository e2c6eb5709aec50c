"""Files that hide a module of Python or of a package, found with `os` and `sys`, which Python itself has imported.

A file `random.py` hides the module of Python if its folder is before that of Python in `sys.path`: the working
directory under `python -m`, or a folder of PYTHONPATH.
"""

from __future__ import annotations

import os
import sys

# Folders of these names may well be those of a checkout, before an installed copy.
OURS = ("hvaedsl", "hvaedsl_runtime")
WAY_OUT = "rename it, or remove its folder from PYTHONPATH"


def put_working_folder_last() -> None:
    """Move the working directory, which `python -m` puts first in the search path, to its end.

    There it hides nothing, and the modules of the user are still found.
    """
    if sys.flags.safe_path or not sys.path:
        return
    try:
        here = os.getcwd()  # noqa: PTH109 - pathlib may be hidden
    except OSError:  # the folder was deleted
        here = ""
    if sys.path[0] in ("", here):
        sys.path.append(sys.path.pop(0))


def hiding(error: BaseException, *, or_imported: bool = True) -> tuple[str, str] | None:
    """The file or folder that makes an import fail, and the module that it hides; None if there is none.

    A file whose code raised the error comes first, then, with `or_imported`, the newest of those that are imported.
    """
    imported = [(name, _file_of(name)) for name in reversed(list(sys.modules)) if "." not in name]
    try:
        for name, file in (*_raised_in(error), *(imported if or_imported else ())):
            if file and name not in OURS and _hides(name, file):
                return file.removesuffix(f"{os.sep}__init__.py"), name
    except OSError:  # the working directory was deleted, and hides nothing
        pass
    return None


def _raised_in(error: BaseException) -> list[tuple[str, str]]:
    """The modules, with their files, whose code raised an error; an import that failed has left no module."""
    files = [error.filename] if isinstance(error, SyntaxError) and error.filename else []
    at = error.__traceback__
    while at is not None:
        files.append(at.tb_frame.f_code.co_filename)
        at = at.tb_next
    named = []
    for file in files:
        folder, base = os.path.split(file)
        name = os.path.basename(folder) if base == "__init__.py" else base.removesuffix(".py")  # noqa: PTH119 - pathlib may be hidden
        named.append((name, file))
    return named[::-1]


def _file_of(name: str) -> str:
    return str(getattr(sys.modules[name], "__file__", None) or "")


def _hides(name: str, file: str) -> bool:
    """Whether a file is found before another module of its name: one of Python, or one in a later folder."""
    folder, base = os.path.split(file)
    folder = os.path.dirname(folder) if base == "__init__.py" else folder  # noqa: PTH120 - pathlib may be hidden
    entries = [entry or os.curdir for entry in sys.path]
    places = [at for at, entry in enumerate(entries) if os.path.realpath(entry) == os.path.realpath(folder)]
    if not places:
        return False
    if name in sys.stdlib_module_names:
        return os.path.realpath(os.path.dirname(os.__file__)) in map(os.path.realpath, entries[places[0] + 1 :])  # noqa: PTH120 - pathlib may be hidden
    return any(
        os.path.isfile(os.path.join(entry, *form))  # noqa: PTH113, PTH118 - pathlib may be hidden
        for entry in entries[places[0] + 1 :]
        for form in ((f"{name}.py",), (name, "__init__.py"))
        if os.path.realpath(entry) != os.path.realpath(folder)
    )


def hides_text(file: str, name: str) -> str:
    """The sentence about a file that hides a module."""
    return f"{file} hides the module {name}: Python imports it in its place"
