"""Tables at any width: what a user types or copies is whole."""

import io

import pytest

from ultracluster.safe_output import console
from ultracluster.tables import Column, Rows

NAMES = ("environments/ultracluster.py:17", "aws ec2 describe-vpcs --vpc-ids vpc-0123456789abcdef0")
PROSE = "A sentence that explains the row and is long enough to be folded in a narrow terminal."


def printed(width: int) -> list[str]:
    columns = [Column("where"), Column("count", "number"), Column("why", "prose"), Column("call")]
    rows = Rows(columns, title="All")
    for name in NAMES:
        rows.add(name, "1,234", f"[bold] {PROSE}", NAMES[1])
    file = io.StringIO()
    console(file=file, width=width).print(rows)
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


@pytest.mark.parametrize("width", [30, 40])
def test_a_name_that_is_wider_than_the_terminal_is_one_line(width: int):
    """The terminal itself breaks it, so that it can be copied whole."""
    assert sum(NAMES[1] in line for line in printed(width)) == 3


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_long_word_in_prose_is_whole(width: int):
    """Names of log groups and images stand in sentences, and were broken where these folded."""
    log_group = "/aws/lambda/dev-Network-AB681ED1AC93C89AACF46B0A27CE987EB1F6510300D18A1879B4"
    rows = Rows([Column("type"), Column("id"), Column("why", "prose")])
    rows.add("AWS::Logs::LogGroup", log_group, f"Lambda made it: aws logs {log_group} {PROSE}")
    file = io.StringIO()
    console(file=file, width=width).print(rows)

    assert file.getvalue().count(log_group) == 2
    assert all(len(line) <= width or log_group in line for line in file.getvalue().splitlines())


def test_numbers_stand_below_each_other():
    file = io.StringIO()
    rows = Rows([Column("stack"), Column("resources", "number")])
    rows.add("Network", "7")
    console(file=file, width=60).print(rows)

    (row,) = (line for line in file.getvalue().splitlines() if "Network" in line)
    assert [cell.removesuffix(" ") for cell in row.split("│")[1:3]] == [" Network", "         7"]
