"""What the registry says is in the table that the rules read."""

import json
from pathlib import Path

from facts.property_limits import TABLE, table


def test_the_committed_table_is_the_derived_one():
    """Nobody writes in it by hand, and a newer registry shows."""
    assert json.loads(Path(TABLE).read_text()) == table()
