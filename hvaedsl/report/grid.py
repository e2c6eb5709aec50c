"""Tables of figures that fit a terminal of any width: as a table, or on a narrow one stacked, a block for each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from hvaedsl.diagnostics.printable import printable_lines
from hvaedsl.diagnostics.streams import UNLIMITED

Cell = str | Text
# In a stacked table, figures are aligned behind headings up to this length.
LONGEST_HEADING = 16


@dataclass(frozen=True)
class Column:
    """A column. Figures are aligned right; words are aligned left, and fold if `fold` cells suffice for a line.

    If the table is stacked, a `labeled` name of a row follows the heading of its column.
    """

    heading: str
    words: bool = False
    fold: int | None = None
    labeled: bool = False


@dataclass(frozen=True)
class Row:
    """A row of cells, with its style; a line follows it if `ends` a section."""

    cells: tuple[Cell, ...]
    style: str = ""
    ends: bool = False


@dataclass
class Grid:
    """A table with a title above and notes below, which a console prints without losing a figure at any width.

    The first `names` columns name a row; if the table is stacked, they head its block.
    """

    title: Cell
    columns: Sequence[Column]
    notes: Sequence[str] = ()
    names: int = 1
    framed: bool = False
    rows: list[Row] = field(default_factory=list)

    def add(self, *cells: Cell, style: str = "", ends: bool = False) -> None:
        """Add a row of one cell for each column."""
        assert len(cells) == len(self.columns), f"{len(cells)} cells, {len(self.columns)} columns"
        self.rows.append(Row(cells, style, ends))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Title, table and notes. Long words of the title and the notes fold."""
        if self.title:
            yield _safe(self.title)
        table = self._table(narrow=True)
        natural = Measurement.get(console, options.update(width=UNLIMITED), table).maximum
        if natural <= options.max_width:
            yield self._table()
        else:
            yield from self._stacked(options.max_width)
            if self.notes:
                yield Text()
        for note in self.notes:
            yield _safe(note)

    def _table(self, *, narrow: bool = False) -> Table:
        """The table; if `narrow`, columns that fold are as narrow as they may become."""
        frame = box.HEAVY_HEAD if self.framed else box.SIMPLE_HEAD
        table = Table(box=frame, padding=(0, 1) if self.framed else (0, 1, 0, 0))
        table.pad_edge = table.show_edge = self.framed
        for column in self.columns:
            table.add_column(
                _safe(column.heading),
                justify="left" if column.words else "right",
                no_wrap=column.fold is None,
                overflow="fold",
                max_width=column.fold if narrow else None,
            )
        for row in self.rows:
            table.add_row(*map(_safe, row.cells), style=row.style, end_section=row.ends)
        return table

    def _stacked(self, width: int) -> Iterator[Text]:
        """A block for each row: its name, then a line for each figure. Empty cells are left out."""
        headings = [column.heading.replace("\n", " ") for column in self.columns]
        lengths = [len(heading) for heading in headings[self.names :]]
        longest = max((length for length in lengths if length <= LONGEST_HEADING), default=0)
        for number, row in enumerate(self.rows):
            if number:
                yield Text()
            yield Text(", ", style=row.style or "bold").join(self._name(row))

            for heading, cell in zip(headings[self.names :], row.cells[self.names :], strict=True):
                value = _safe(cell)
                if not value:
                    continue
                line = Text(f"  {heading:<{longest}}  ")
                if line.cell_len + value.cell_len > width or "\n" in value.plain:
                    line = Text(f"  {heading}\n    ")
                    value = Text("\n    ").join(value.split("\n"))
                yield Text.assemble(line, value, overflow="fold")

    def _name(self, row: Row) -> Iterator[Text]:
        """The parts of the name of a row."""
        for column, cell in zip(self.columns, row.cells[: self.names], strict=False):
            if name := _safe(cell):
                yield Text.assemble(f"{column.heading} " if column.labeled else "", name)


def _safe(cell: Cell) -> Text:
    """A cell as text that cannot act on the terminal, with its style."""
    if isinstance(cell, Text):
        return cell
    return Text(printable_lines(cell), overflow="fold")
