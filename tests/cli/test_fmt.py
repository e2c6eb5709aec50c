"""`hvaedsl fmt`: what is written, what is printed, how it ends, and that nothing is lost."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hvaedsl.cli.main import run
from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.diagnostics.span import Source
from hvaedsl.fmt import format_source

UGLY = "hvae 1\ndata{dataset=digits}\n"
GOOD = "hvae 1\n\ndata {\n  dataset = digits\n}\n"
BROKEN = "hvae 1\ndata { dataset = }\n"


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


Fmt = Callable[..., Ended]


@pytest.fixture
def fmt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Fmt:
    """Runs `hvaedsl fmt ARGUMENTS` in a folder with ugly.hvae, good.hvae."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("ugly.hvae").write_text(UGLY)
    Path("good.hvae").write_text(GOOD)

    def call(*arguments: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "argv", ["hvaedsl", "fmt", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code: object = 0
        try:
            run()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capfd.readouterr()
        assert isinstance(code, int)
        return Ended(code, captured.out, captured.err)

    return call


def test_files_are_rewritten_and_counted(fmt: Fmt) -> None:
    assert fmt("ugly.hvae", "good.hvae") == Ended(0, "reformatted ugly.hvae\n1 file reformatted, 1 unchanged\n", "")
    assert Path("ugly.hvae").read_text() == GOOD
    assert fmt(".") == Ended(0, "2 files unchanged\n", "")


def test_a_formatted_file_is_not_written_again(fmt: Fmt) -> None:
    before = Path("good.hvae").stat()
    fmt("good.hvae")
    after = Path("good.hvae").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_check_writes_nothing(fmt: Fmt) -> None:
    ended = fmt("--check", ".")
    assert ended == Ended(1, "would reformat ugly.hvae\n1 file would be reformatted, 1 unchanged\n", "")
    assert Path("ugly.hvae").read_text() == UGLY
    assert fmt("--check", "good.hvae") == Ended(0, "1 file unchanged\n", "")


def test_diff_writes_nothing(fmt: Fmt) -> None:
    ended = fmt("--diff", ".")
    assert ended.code == 1
    assert ended.out == (
        "--- ugly.hvae\n+++ ugly.hvae (formatted)\n@@ -1,2 +1,5 @@\n hvae 1\n-data{dataset=digits}\n"
        "+\n+data {\n+  dataset = digits\n+}\n"
    )
    assert ended.err == "1 file would be reformatted, 1 unchanged\n"
    assert Path("ugly.hvae").read_text() == UGLY
    assert fmt("--diff", "--check", "good.hvae") == Ended(0, "", "1 file unchanged\n")


def test_line_ends_marks_and_the_end_of_the_file_count(fmt: Fmt) -> None:
    for data, shown in (
        (b"\xef\xbb\xbf" + GOOD.encode(), "-\ufeffhvae 1\n+hvae 1\n"),
        (GOOD.replace("\n", "\r\n").encode(), "-hvae 1\r\n"),
        (GOOD.rstrip("\n").encode(), "-}\n\\ No newline at end of file\n+}\n"),
    ):
        Path("odd.hvae").write_bytes(data)
        ended = fmt("--diff", "odd.hvae")
        assert ended.code == 1
        assert shown in ended.out
        assert fmt("odd.hvae").code == 0
        assert Path("odd.hvae").read_bytes() == GOOD.encode()


def test_standard_input_goes_to_standard_output(fmt: Fmt) -> None:
    assert fmt("-", stdin=UGLY.replace("\n", "\r\n").encode()) == Ended(0, GOOD, "")
    assert fmt("-", stdin=b"") == Ended(0, "", "")
    assert fmt("-", "--check", stdin=UGLY.encode()) == Ended(1, "would reformat <stdin>\n", "")
    assert fmt("-", "--check", stdin=GOOD.encode()) == Ended(0, "", "")
    assert fmt("-", "--diff", stdin=UGLY.encode()).out.startswith("--- <stdin>\n+++ <stdin> (formatted)\n")
    assert fmt("-", "good.hvae").code == 2
    broken = fmt("-", stdin=BROKEN.encode())
    assert (broken.code, broken.out) == (1, "")
    assert "<stdin>:2:18" in broken.err
    assert "HV107" in fmt("-", stdin=b"\xff\xfeh\x00").err
    assert "HV108" in fmt("-", stdin=b"#" * (1 << 20) + b"#").err


def test_a_file_that_does_not_parse_is_left_and_the_others_are_not(fmt: Fmt) -> None:
    Path("broken.hvae").write_text(BROKEN)
    Path("latin.hvae").write_bytes(b"# caf\xe9\nhvae 1\n")
    Path("huge.hvae").write_bytes(b"#" * (1 << 20) + b"\n")
    ended = fmt(".")
    assert ended.code == 1
    assert ended.out == "reformatted ugly.hvae\n1 file reformatted, 1 unchanged, 3 not formatted\n"
    assert all(text in ended.err for text in ("broken.hvae:2:18", "HV107", "HV108"))
    assert Path("broken.hvae").read_text() == BROKEN
    assert Path("latin.hvae").read_bytes() == b"# caf\xe9\nhvae 1\n"
    assert fmt("--check", "broken.hvae").code == 1


def test_what_is_wrong_beyond_syntax_does_not_matter(fmt: Fmt) -> None:
    Path("wrong.hvae").write_text("modell{widht=-3}")
    assert fmt("wrong.hvae").code == 0
    assert Path("wrong.hvae").read_text() == "modell {\n  widht = -3\n}\n"


def test_missing_files_stop_it_before_anything_is_written(fmt: Fmt) -> None:
    Path("empty").mkdir()
    for missing in ("missing.hvae", "empty", "cifar", "specs/cifar.hvae", "x\ny"):  # no shipped spec is formatted
        ended = fmt("ugly.hvae", missing)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("error: ")
    assert Path("ugly.hvae").read_text() == UGLY


def test_a_file_under_two_names_is_formatted_once(fmt: Fmt) -> None:
    Path("alias.hvae").symlink_to("ugly.hvae")
    ended = fmt("ugly.hvae", ".", "./alias.hvae")
    assert ended.out.endswith("\n1 file reformatted, 1 unchanged\n")


def test_permissions_and_symbolic_links_are_kept(fmt: Fmt) -> None:
    Path("elsewhere").mkdir()
    target = Path("elsewhere/real.hvae")
    target.write_text(UGLY)
    target.chmod(0o640)
    Path("link.hvae").symlink_to(target)
    assert fmt("link.hvae").code == 0
    assert Path("link.hvae").is_symlink()
    assert target.read_text() == GOOD
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [path.name for path in Path("elsewhere").iterdir()] == ["real.hvae"]


def test_an_interrupted_write_leaves_the_file_as_it_was(fmt: Fmt, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    ended = fmt("ugly.hvae")
    assert ended.code == 5
    assert ended.err == (
        "error: ugly.hvae: cannot be written: No space left on device\n  help: free some space there\n"
    )
    assert Path("ugly.hvae").read_text() == UGLY
    assert sorted(path.name for path in Path().iterdir()) == ["good.hvae", "ugly.hvae"]


def test_a_file_that_may_not_be_written_is_not_replaced(fmt: Fmt, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ugly.hvae").chmod(0o444)
    if os.access("ugly.hvae", os.W_OK):  # root may write everything
        monkeypatch.setattr(os, "access", lambda *_: False)
    ended = fmt("ugly.hvae")
    assert (ended.code, ended.err) == (
        5,
        "error: ugly.hvae: cannot be written: Permission denied\n  help: make it writable\n",
    )
    assert Path("ugly.hvae").read_text() == UGLY


def test_what_an_editor_saves_meanwhile_is_not_lost(fmt: Fmt, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def write_and_save(self: Path, data: bytes) -> int:
        Path("ugly.hvae").write_text("hvae 1 # saved\n")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_and_save)
    ended = fmt("ugly.hvae")
    assert ended.code == 2
    assert "changed by another program in the meantime" in ended.err
    assert Path("ugly.hvae").read_text() == "hvae 1 # saved\n"


def test_our_bug_leaves_its_file_alone_and_formats_the_others(fmt: Fmt, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_at_times(source: Source) -> str:
        if source.name == "odd.hvae":
            raise CompilerBug("formatting odd.hvae would change its tokens; it is left as it is")
        return format_source(source)

    monkeypatch.setattr("hvaedsl.fmt.files.format_source", wrong_at_times)
    Path("odd.hvae").write_text(UGLY)
    ended = fmt("odd.hvae", "ugly.hvae")
    assert ended.code == 3
    assert ended.out == "reformatted ugly.hvae\n1 file reformatted, 1 not formatted\n"
    assert "a bug in hvaedsl, not in your spec: formatting odd.hvae" in ended.err
    assert (Path("odd.hvae").read_text(), Path("ugly.hvae").read_text()) == (UGLY, GOOD)


def test_what_would_grow_too_large_is_left(fmt: Fmt) -> None:
    text = "a{" * 64 + "b=1 " * 5_000 + "}" * 64 + "#" * 600_000
    Path("deep.hvae").write_text(text)
    ended = fmt("deep.hvae", "ugly.hvae")
    assert (ended.code, Path("deep.hvae").read_text()) == (2, text)
    assert "the formatted file would have 1," in ended.err


def test_a_conflict_stops_no_other_file(fmt: Fmt, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        Path(f"{name}.hvae").write_text(UGLY)
    write_bytes = Path.write_bytes

    def saved_meanwhile(self: Path, data: bytes) -> int:
        for name in ("a", "c"):
            Path(f"{name}.hvae").write_text(BROKEN)
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", saved_meanwhile)
    ended = fmt(".")
    assert ended.code == 2
    assert ended.out == "reformatted b.hvae\nreformatted ugly.hvae\n2 files reformatted, 1 unchanged, 2 not formatted\n"
    assert ended.err == (
        "error: 2 files were not written\n"
        "  a.hvae: changed by another program in the meantime; it was not written\n"
        "  c.hvae: changed by another program in the meantime; it was not written\n"
    )
    assert Path("a.hvae").read_text() == BROKEN


def test_a_refused_write_stops_no_other_file(fmt: Fmt, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.hvae").write_text(UGLY)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != "a.hvae")
    ended = fmt(".")
    assert (ended.code, Path("a.hvae").read_text(), Path("ugly.hvae").read_text()) == (5, UGLY, GOOD)


def test_a_link_that_leaves_the_folder_is_skipped(fmt: Fmt) -> None:
    Path("models").mkdir()
    Path("models/link.hvae").symlink_to("../ugly.hvae")
    target = Path("ugly.hvae").resolve()
    skipped = f"skipped models/link.hvae, a link to {target}, outside of the folder; to rewrite that file, name it\n"
    for options in ((), ("--check",), ("--diff",)):
        ended = fmt("models", *options)
        assert (ended.code, ended.out, ended.err) == (0, "", skipped)
    assert target.read_text() == UGLY
    assert fmt("models", "models/link.hvae").out.startswith("reformatted models/link.hvae\n")
    assert target.read_text() == GOOD
