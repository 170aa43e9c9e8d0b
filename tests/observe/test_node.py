"""What a node tells where a part of it cannot be asked."""

import re
from pathlib import Path

import pytest

from tests.observe.node import START, FakeNode


@pytest.mark.parametrize("said", ["read_bytes 8 samples [b]\n", ""])
def test_disks_that_the_client_does_not_name_do_not_hide_that_lustre_is_mounted(
    tmp_path: Path, said: str
):
    """Its age would wake somebody because Lustre were away."""
    node = FakeNode(tmp_path, "night", "n1")
    node.answers["lctl get_param -n osc.*.kbytesavail"] = said
    text = node.scrape(START)

    assert re.search(r"ultracluster_lustre_mounted{.*} 1\.0", text)
    assert "ultracluster_lustre_read_bytes" in text
    assert "ultracluster_lustre_target_free_ratio" not in text
