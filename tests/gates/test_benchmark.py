"""What is measured can be built."""

import pytest

from benchmarks.synthesis import environments


@pytest.mark.parametrize(("count", "nodes"), [(1, 4), (1, 512), (30, 512)])
def test_every_environment_that_is_timed_can_work(count: int, nodes: int):
    """A rule that is added later would otherwise stop the benchmark, which no test runs."""
    built = environments(count, nodes)

    assert [spec.nodes.count for spec in built] == [nodes] * count
    assert len({spec.name for spec in built}) == count
