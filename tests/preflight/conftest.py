"""One emulated AWS for the tests that ask over HTTP."""

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from tests.preflight.front import Front
from ultracluster.emulator.process import Emulator


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    """The endpoint before the rehearsal's emulator and moto's server."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    try:
        by_moto = f"http://{host}:{port}"
        with (
            Emulator() as emulator,
            Front(emulator.endpoint_url, by_moto, emulator.token) as open_,
        ):
            yield open_
    finally:
        moto.stop()


@pytest.fixture
def aws(front: Front) -> Front:
    """The endpoint, behaving well until the test says otherwise."""
    front.behave()
    return front
