"""`hvaedsl lint --fix`, `--unsafe-fixes`, `--diff` and standard input, as a user runs them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hvaedsl
import hvaedsl.lint.fixes
import hvaedsl.lint.texts
from hvaedsl.shipped import shipped

Command = Callable[..., Any]  # of the fixture `hvae`

WIDE = """hvae 1
data { dataset = digits }
model {
  width = 16  latent = 4
  widths = {2: 64, 4: 32}  # as before
  encoder = 8x2, 8d2, 4x1  # hvae: ignore[HV501]
  decoder = 4x1, 8x2
}
"""
SAFELY = WIDE.replace("2: 64, ", "").replace("  # hvae: ignore[HV501]", "")
UNSAFELY = SAFELY.replace("4x1, 8x2", "4x1, 8m4, 8x1")


@pytest.fixture
def spec(hvae: Command) -> Path:
    path = Path("wide.hvae")
    path.write_text(WIDE)
    return path


def test_safe_fixes(hvae: Command, spec: Path) -> None:
    ended = hvae("lint", "wide.hvae", "--fix")
    assert (ended.code, ended.err) == (1, "2 fixes applied\n")
    assert "1 piece of advice\n1 can be fixed with --fix --unsafe-fixes (review the changes)\n" in ended.out
    assert "HV503" in ended.out
    assert spec.read_text() == SAFELY
    assert hvaedsl.loads(SAFELY).bridge == hvaedsl.loads(WIDE).bridge
    assert hvae("lint", "wide.hvae", "--fix").err == "0 fixes applied\n"


def test_unsafe_fixes(hvae: Command, spec: Path) -> None:
    ended = hvae("lint", "wide.hvae", "--fix", "--unsafe-fixes")
    assert (ended.code, ended.out, ended.err) == (0, "nothing found in 1 spec\n", "3 fixes applied\n")
    assert spec.read_text() == UNSAFELY


def test_fixes_that_others_uncover(hvae: Command, spec: Path) -> None:
    """Advice is given only where there are no errors, so that this takes several rounds."""
    spec.write_text(WIDE.replace("hvae 1\n", "").replace("latent = 4", "latent = 4  widht = 3").replace("8d2", "8D2"))
    ended = hvae("lint", "wide.hvae", "--fix", "--unsafe-fixes")
    assert ended.code == 1
    assert "HV201" in ended.out  # `width` is written beside it: nobody knows which was meant
    spec.write_text(WIDE.replace("hvae 1\n", "").replace("8d2", "8D2").replace("4x1, 8x2", "4x1 8х2"))
    ended = hvae("lint", "wide.hvae", "--fix", "--unsafe-fixes")
    assert (ended.code, ended.err) == (0, "7 fixes applied\n")
    assert spec.read_text() == UNSAFELY


def test_fixes_beyond_the_last_round_are_left(hvae: Command, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hvaedsl.lint.fixes, "MAX_ROUNDS", 1)
    spec.write_text(WIDE.replace("8d2", "8D2"))
    ended = hvae("lint", "wide.hvae", "--fix", "--unsafe-fixes")
    assert (ended.code, ended.err) == (1, "1 fix applied\n")
    assert "2 can be fixed with --fix, 1 more with --fix --unsafe-fixes" in ended.out
    assert spec.read_text() == WIDE


def test_all_missing_commas_are_one_fix(hvae: Command, spec: Path) -> None:
    spec.write_text(SAFELY.replace("8x2, 8d2, 4x1", "8x1 2*8x1 (8x1) 8x1@g 8d2, 4x1 4x1"))
    ended = hvae("lint", "wide.hvae", "--fix", "--unsafe-fixes", "--ignore", "HV5")
    assert (ended.code, ended.err) == (0, "1 fix applied\n")
    assert "8x1, 2*8x1, (8x1), 8x1@g, 8d2, 4x1, 4x1" in spec.read_text()


def test_a_fix_may_uncover_a_mistake_in_a_block_list(hvae: Command, spec: Path) -> None:
    spec.write_text(SAFELY.replace("encoder = 8x2, 8d2, 4x1", "encoddr = 8x2, 8d2, 4m1"))
    ended = hvae("lint", "wide.hvae", "--fix", "--unsafe-fixes")
    assert ended.code == 1
    assert ended.err == "1 fix applied\n"
    assert "error[HV112]: unknown encoder operator `m`" in ended.out


def test_a_string_that_is_never_closed_gets_no_comma(hvae: Command, spec: Path) -> None:
    broken = SAFELY.replace("8x2, 8d2, 4x1", '8x2,\n"8d2,\n4x1')
    spec.write_text(broken)
    ended = hvae("lint", "wide.hvae", "--fix", "--unsafe-fixes")
    assert (ended.code, ended.err) == (1, "0 fixes applied\n")
    assert [line for line in ended.out.splitlines() if "error[" in line] == ["error[HV114]: unclosed string"]
    assert spec.read_text() == broken


def test_diff_writes_nothing(hvae: Command, spec: Path) -> None:
    ended = hvae("lint", "wide.hvae", "good.hvae", "--diff")
    assert (ended.code, ended.err) == (1, "2 fixes would be applied\n")
    assert ended.out == (
        "--- wide.hvae\n+++ wide.hvae (fixed)\n@@ -2,7 +2,7 @@\n data { dataset = digits }\n model {\n"
        "   width = 16  latent = 4\n-  widths = {2: 64, 4: 32}  # as before\n"
        "-  encoder = 8x2, 8d2, 4x1  # hvae: ignore[HV501]\n+  widths = {4: 32}  # as before\n"
        "+  encoder = 8x2, 8d2, 4x1\n   decoder = 4x1, 8x2\n }\n"
    )
    assert spec.read_text() == WIDE
    assert "+  decoder = 4x1, 8m4, 8x1" in hvae("lint", "wide.hvae", "--diff", "--unsafe-fixes").out
    ended = hvae("lint", "good.hvae", "--diff")
    assert (ended.code, ended.out, ended.err) == (0, "", "0 fixes would be applied\n")
    assert (hvae("lint", "wide.hvae", "--diff", "--fix").code, spec.read_text()) == (1, WIDE)


def test_only_what_is_selected_is_mended(hvae: Command, spec: Path) -> None:
    hvae("lint", "wide.hvae", "--fix", "--select", "HV590")
    assert spec.read_text() == WIDE.replace("  # hvae: ignore[HV501]", "")


def test_the_bytes_beside_a_fix_stay(hvae: Command, spec: Path) -> None:
    spec.write_bytes(b"\xef\xbb\xbf" + WIDE.replace("as before", "früher").replace("\n", "\r\n").encode())
    spec.chmod(0o640)
    Path("link.hvae").symlink_to("wide.hvae")
    assert hvae("lint", "link.hvae", "--fix").err == "2 fixes applied\n"
    wanted = b"\xef\xbb\xbf" + SAFELY.replace("as before", "früher").replace("\n", "\r\n").encode()
    assert spec.read_bytes() == wanted
    assert stat.S_IMODE(spec.stat().st_mode) == 0o640
    assert Path("link.hvae").is_symlink()
    assert sorted(path.name for path in Path().iterdir()) == ["good.hvae", "link.hvae", "wide.hvae"]


def test_a_base_is_mended_where_all_that_extend_it_agree(hvae: Command, spec: Path) -> None:
    child = Path("child.hvae")
    child.write_text('hvae 1\nextends "wide.hvae"\n')
    assert hvae("lint", "child.hvae", "--diff").err == "0 fixes would be applied\n", "not among the linted files"
    assert hvae("lint", "child.hvae", "wide.hvae", "--diff").err == "2 fixes would be applied\n"
    deep = "model { encoder = 8x2, 8d2, 4x1, 4d2, 2x1  decoder = 2x1, 4m2, 8m4, 8x1 }\n"
    child.write_text(f'hvae 1\nextends "wide.hvae"\n{deep}')
    before = hvaedsl.load(child).bridge
    ended = hvae("lint", "child.hvae", "wide.hvae", "--fix")
    assert ended.err == "1 fix applied\n", "the child has a use for the width at 2"
    assert spec.read_text() == WIDE.replace("  # hvae: ignore[HV501]", "")
    assert hvaedsl.load(child).bridge == before


def test_the_work_grows_with_the_files(hvae: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    resolve = Path.resolve

    def counting(path: Path, strict: bool = False) -> Path:
        nonlocal asked
        asked += 1
        return resolve(path, strict)

    monkeypatch.setattr(Path, "resolve", counting)
    counts = []
    for folder, files in (("few", 5), ("many", 40)):
        Path(folder).mkdir()
        for number in range(files):
            Path(folder, f"{number}.hvae").write_text(WIDE)
        asked = 0
        assert hvae("lint", folder, "--diff").err == f"{2 * files} fixes would be applied\n"
        counts.append(asked)
    assert counts[1] < 10 * counts[0], "eight times the files, and about eight times as often asked where one lies"


def test_a_mistake_of_a_base_is_mended_once(hvae: Command, spec: Path) -> None:
    spec.write_text(SAFELY.replace("width = 16", "width = 16  width = 32").replace("4x1, 8x2", "4x1, 8m4, 8x2"))
    for name in ("one", "two"):
        Path(f"{name}.hvae").write_text('hvae 1\nextends "wide.hvae"\n')
    ended = hvae("lint", ".", "--fix", "--unsafe-fixes")
    assert (ended.code, ended.err) == (0, "1 fix applied\n")
    assert spec.read_text() == SAFELY.replace("4x1, 8x2", "4x1, 8m4, 8x2")


def test_shipped_specs_are_never_mended(hvae: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copies = tmp_path / "package" / "specs"
    copies.mkdir(parents=True)
    (copies / "mine.hvae").write_text(WIDE)
    monkeypatch.setattr("hvaedsl.syntax.text.shipped", lambda _: copies)
    monkeypatch.setattr("hvaedsl.lint.texts.shipped", lambda _: copies)
    assert hvae("lint", "mine", "--diff").err == "0 fixes would be applied\n", "found by its name"
    assert hvae("lint", str(copies / "mine.hvae"), "--diff").err == "2 fixes would be applied\n", "a checkout's"
    monkeypatch.setattr(hvaedsl.lint.texts, "__file__", str(tmp_path / "package" / "lint" / "texts.py"))
    assert hvae("lint", str(copies / "mine.hvae"), "--diff").err == "0 fixes would be applied\n", "an installation's"
    assert shipped("specs").is_dir()


def test_a_file_that_may_not_be_written(hvae: Command, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    ended = hvae("lint", "wide.hvae", "--fix")
    assert (ended.code, ended.err) == (
        5,
        "error: wide.hvae: cannot be written: Permission denied\n  help: make it writable\n",
    )
    assert spec.read_text() == WIDE


def test_a_file_that_somebody_writes_meanwhile(hvae: Command, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mend_slowly(*arguments: object, **options: object) -> object:
        mended = apply_fixes(*arguments, **options)  # type: ignore[arg-type]
        spec.write_text(WIDE + "# mine\n")
        return mended

    from hvaedsl.lint.fixes import apply_fixes

    monkeypatch.setattr("hvaedsl.lint.fixes.apply_fixes", mend_slowly)
    ended = hvae("lint", "wide.hvae", "--fix")
    assert ended.code == 2
    assert "changed by another program in the meantime" in ended.err
    assert spec.read_text() == WIDE + "# mine\n"


def test_a_fix_that_breaks_a_text_is_our_bug(hvae: Command, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hvaedsl.diagnostics.diagnostic import Edit

    monkeypatch.setattr("hvaedsl.lint.suppressions.removal", lambda span: Edit(span, "}"))
    ended = hvae("lint", "wide.hvae", "--fix")
    assert ended.code == 3
    assert "a fix makes a spec unreadable" in ended.err
    assert spec.read_text() == WIDE


def test_standard_input(hvae: Command) -> None:
    ended = hvae("lint", "-", "--format", "concise", stdin=WIDE.encode())
    assert ended.code == 1
    assert [line.split()[0] for line in ended.out.splitlines()] == ["<stdin>:5:13:", "<stdin>:6:28:", "<stdin>:7:18:"]
    assert hvae("lint", "-", stdin=Path("good.hvae").read_bytes()).out == "nothing found in 1 spec\n"
    ended = hvae("lint", "-", "--fix", "--format", "concise", stdin=WIDE.encode())
    assert (ended.code, ended.out) == (1, SAFELY)
    assert "HV503" in ended.err
    ended = hvae("lint", "-", "--diff", "--stdin-filename", "a.hvae", stdin=WIDE.encode())
    assert ended.code == 1
    assert ended.out.startswith("--- a.hvae\n+++ a.hvae (fixed)\n")
    ended = hvae("lint", "-", "--format", "concise", stdin=b"\xff\xfe")
    assert (ended.code, ended.out.split()[:2]) == (1, ["<stdin>:1:1:", "HV107"])


@pytest.mark.parametrize("text", ["hvae 1\0", "\ufeffhvae 1\r\n", "#" * (1 << 21)], ids=["NUL", "mark", "long"])
def test_standard_input_is_never_lost(text: str, hvae: Command) -> None:
    ended = hvae("lint", "-", "--fix", stdin=text.encode())
    assert (ended.code, ended.out) == (1, text)
    marked = "\ufeff" + WIDE.replace("\n", "\r\n")
    assert hvae("lint", "-", "--fix", stdin=marked.encode()).out == "\ufeff" + SAFELY.replace("\n", "\r\n")


def test_standard_input_stands_where_its_name_says(hvae: Command) -> None:
    folder = Path("models")
    folder.mkdir()
    (folder / "base.hvae").write_text(WIDE)
    (folder / "pyproject.toml").write_text('[tool.hvaedsl]\nignore = ["HV502"]\n')
    child = b'hvae 1\nextends "base.hvae"\nmodel { widht = 3 }\n'
    ended = hvae("lint", "-", "--stdin-filename", "models/new.hvae", "--format", "concise", stdin=child)
    assert ended.out.startswith("models/new.hvae:3:9: HV201 ")
    good = b'hvae 1\nextends "base.hvae"\nmodel { decoder = 4x1, 8m4, 8x2 }\n'
    assert hvae("lint", "-", "--stdin-filename", "models/new.hvae", stdin=good).code == 0
    assert "HV210" in hvae("lint", "-", stdin=good).out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("good.hvae --unsafe-fixes", "--unsafe-fixes needs --fix or --diff"),
        ("good.hvae --fix --set model.width=3", "change the specs as written"),
        ("good.hvae --diff --let n=3", "change the specs as written"),
        ("good.hvae -", "cannot be combined"),
        ("good.hvae --stdin-filename a.hvae", "needs - (standard input)"),
        ("none.hvae --fix", "no such file"),
    ],
)
def test_wrong_usage(arguments: str, says: str, hvae: Command) -> None:
    ended = hvae("lint", *arguments.split())
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


def test_a_file_under_two_names_is_linted_once(hvae: Command, spec: Path) -> None:
    ended = hvae("lint", "wide.hvae", "./wide.hvae", ".", "--format", "concise")
    assert len(ended.out.splitlines()) == 3
    assert "nothing found in 1 spec\n" in hvae("lint", "good.hvae", str(Path("good.hvae").absolute())).out


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        (("width = 16  latent", 'width = "16"latent'), ("width = 16  latent", "width = 16 latent")),
        (("width = 16  latent", "width = 16  width = bernoulli(4)latent"), ("width = 16  latent", "width = 16 latent")),
        (("8x2, 8d2, 4x1\n  ", '"8x2, 8d2, 4x1"'), ("4x1\n  ", "4x1 ")),
        (("8x2, 8d2, 4x1\n  ", "8x2, 8d2, 4x1,"), ("4x1\n  ", "4x1 ")),
    ],
)
def test_a_fix_joins_no_words(hvae: Command, spec: Path, bad: tuple[str, str], good: tuple[str, str]) -> None:
    spec.write_text(SAFELY.replace(*bad))
    hvae("lint", "wide.hvae", "--fix", "--unsafe-fixes", "--ignore", "HV5")
    assert spec.read_text() == SAFELY.replace(*good)


def test_a_link_that_leaves_the_folder_is_not_fixed(hvae: Command, spec: Path) -> None:
    Path("models").mkdir()
    Path("models/link.hvae").symlink_to("../wide.hvae")
    ended = hvae("lint", "models", "--fix")
    kept = f"a link to {spec.resolve()}, outside of the folder; to rewrite that file, name it"
    assert ended.err == f"not fixed: models/link.hvae, {kept}\n0 fixes applied\n"
    assert (ended.code, spec.read_text()) == (1, WIDE)
    assert hvae("lint", "models/link.hvae", "--fix").err == "2 fixes applied\n"
    assert spec.read_text() != WIDE


def test_a_conflict_stops_no_other_file(hvae: Command, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.hvae", "b.hvae"):
        Path(name).write_text(WIDE)
    write_bytes = Path.write_bytes

    def saved_meanwhile(self: Path, data: bytes) -> int:
        Path("a.hvae").write_text("hvae 1\n")
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", saved_meanwhile)
    ended = hvae("lint", "a.hvae", "b.hvae", "--fix")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: a.hvae: changed by another program in the meantime; it was not written\n"
    assert Path("b.hvae").read_text() != WIDE
