"""One Prometheus, with an undisturbed hour and every fault, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.observe.faults import FAULTS
from tests.observe.hour import HOUR, Server, prometheus, samples


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hour")
    with prometheus(folder, samples(folder / "nodes", FAULTS, HOUR)) as running:
        yield running
