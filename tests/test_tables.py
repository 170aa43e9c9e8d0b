"""Tables at any width: what a user types or copies is whole."""

import io

import pytest
from rich.console import Console

from ultracluster.tables import Column, Rows

NAMES = ("environments/ultracluster.py:17", "aws ec2 describe-vpcs --vpc-ids vpc-0123456789abcdef0")
PROSE = "A sentence that explains the row and is long enough to be folded in a narrow terminal."


def printed(width: int) -> list[str]:
    columns = [Column("where"), Column("count", "number"), Column("why", "prose"), Column("call")]
    rows = Rows(columns, title="All")
    for name in NAMES:
        rows.add(name, "1,234", f"[bold] {PROSE}", NAMES[1])
    file = io.StringIO()
    Console(file=file, width=width).print(rows)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 90, 120, 200])
def test_names_are_whole_and_prose_fits(width: int):
    """A name that is cut or broken cannot be copied; markup in a text is text."""
    lines = printed(width)

    assert sum(NAMES[0] in line for line in lines) == 1
    assert sum(line.count(NAMES[1]) for line in lines) == 3
    assert sum("1,234" in line for line in lines) == 2
    assert all(len(line) <= width for line in lines)
    assert "[bold]" in "".join(lines)


def test_it_is_a_table_where_it_fits_and_lines_where_it_does_not():
    """The borders of a table that does not fit would be broken over two lines each."""
    assert any("┃" in line for line in printed(200))
    assert not any("┃" in line or "│" in line for line in printed(60))


def test_nothing_is_cut_where_a_name_is_wider_than_the_terminal():
    """It is broken then, as a terminal would break it."""
    assert NAMES[1].replace(" ", "") in "".join(printed(30)).replace(" ", "")
