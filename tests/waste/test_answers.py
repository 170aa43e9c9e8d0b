"""Whatever answers in the place of a Prometheus: numbers, or one line that says what is wrong."""

import socket
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest

from ultracluster import prometheus
from ultracluster.exit_status import UsageError
from ultracluster.prometheus import Prometheus, source
from ultracluster.waste.usage import uses

ROW = '{"data": {"result": [{"metric": {"job_id": "7", "user": "ada"}, "value": %s}]}}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"\x1f\x8b\x08\x00",
        b"null",
        b"[" * 100_000,
        b'{"data": {"result": [5]}}',
        b'{"data": {"result": [{"metric": {"job_id": 7}, "value": [0, "1"]}]}}',
        b'{"data": {"result": [{"metric": {"job_id": []}, "value": [0, "1"]}]}}',
        b'{"data": {"result": [{"metric": null, "value": [0, "1"]}]}}',
        b'{"data": {"result": [{"metric": {}}]}}',
        *((ROW % value).encode() for value in ("[]", "[0]", '"x"', '[0, "x"]', "[0, null]", "{}")),
        (ROW % '[0, "1"]').replace("ada", "a" * 2000).encode(),
    ],
)
def test_an_answer_that_is_none_is_one_line(body: bytes):
    """A proxy's page, another program's JSON: nobody sees a stack trace."""
    with pytest.raises(UsageError, match="made up: no Prometheus answers there"):
        uses(Prometheus("made up", lambda _: body), "dev", 1e6, 3600, 15)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "1e999", "1e308", "-1e200", "1e-308"])
def test_what_is_no_number_counts_as_none(value: str):
    """Prometheus says NaN where 0 was divided by 0, and sums of it would be lost to all."""
    body = (ROW % f'[0, "{value}"]').encode()
    (job,) = uses(Prometheus("made up", lambda _: body), "dev", 1e6, 3600, 15)

    assert (job.job, job.gpu_hours, job.idle_gpu_hours) == ("7", Decimal(0), Decimal(0))


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of what answers with some bytes, again and again."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            try:
                while True:
                    connection.sendall(request.param)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.close()


@pytest.mark.parametrize("server", [b"x" * 1000, b"HTTP/1.0 200 OK\r\n\r\n"], indirect=True)
def test_what_never_ends_is_read_no_longer(server: str, monkeypatch: pytest.MonkeyPatch):
    """Neither something else than HTTP, nor an answer that is longer than memory."""
    monkeypatch.setattr(prometheus, "LARGEST_BYTES", 100_000)
    with pytest.raises(UsageError, match="no Prometheus answers there"):
        source(server, "us-east-1", None).ask("query", query="up")
