"""One endpoint before two emulated clouds, which can also throttle and refuse.

The rehearsal's emulator answers whatever it has; moto's server answers the rest. boto3's own
clients, retries included, see one AWS.
"""

import threading
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

BY_MOTO = (
    "DescribeInstanceTypeOfferings",
    "DescribeInstanceTypes",
    "DescribeVpcEndpointServices",
)
KEPT_BY_THE_SERVER = ("transfer-encoding", "connection", "content-length", "server", "date")
ERRORS = {
    "json": (
        '{{"__type": "{code}", "message": "{message}"}}',
        {"throttle": "ThrottlingException", "refuse": "AccessDeniedException"},
    ),
    "ec2": (
        (
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            "</Response>"
        ),
        {"throttle": "RequestLimitExceeded", "refuse": "UnauthorizedOperation"},
    ),
    "query": (
        (
            "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error>"
            "</ErrorResponse>"
        ),
        {"throttle": "Throttling", "refuse": "AccessDenied"},
    ),
}
"""How each protocol says it, and by which codes."""


@dataclass
class Front:
    """The endpoint; it lasts as long as the context."""

    emulator: str
    moto: str
    token: str
    """What the emulated AWS's credentials have as session token."""
    refused: set[str] = field(default_factory=set)
    """Operations that the caller may not call."""

    throttled: Counter[str] = field(default_factory=Counter)
    """How often each operation is throttled before it is answered."""

    calls: Counter[str] = field(default_factory=Counter)
    """What was asked, answered or not."""

    def __post_init__(self) -> None:
        """Listen; serving begins with the context."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are two packets: the second would wait 40 ms for the first's receipt.
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                front.answer(self)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Serve."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def behave(self) -> None:
        """Refuse and throttle nothing from now on."""
        self.refused.clear()
        self.throttled.clear()
        self.calls.clear()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request by itself, or by what stands behind."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        name = _operation(request, body)
        with self._lock:
            self.calls[name] += 1
            fault = "refuse" if name in self.refused else ""
            if self.throttled[name] > 0:
                self.throttled[name] -= 1
                fault = "throttle"
        if fault:
            _fail(request, fault, name)
            return
        own = self.own(name, request.headers.get("X-Amz-Target", ""))
        if own is not None:
            _send(request, 200, [], own)
            return
        behind = urlsplit(self.moto if name in BY_MOTO else self.emulator)
        connection = HTTPConnection(behind.hostname or "", behind.port, timeout=30)
        connection.request(request.command, request.path, body, dict(request.headers))
        reply = connection.getresponse()
        content = reply.read()
        kept = [(k, v) for k, v in reply.getheaders() if k.lower() not in KEPT_BY_THE_SERVER]
        _send(request, reply.status, kept, self.changed(name, content))
        connection.close()

    def own(self, name: str, target: str) -> bytes | None:
        """Return the answer to a call that is not passed on, None for every other."""
        del name, target
        return None

    def changed(self, name: str, content: bytes) -> bytes:
        """Return an answer as it is to be."""
        del name
        return content


def _operation(request: BaseHTTPRequestHandler, body: bytes) -> str:
    target = request.headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    form = parse_qs(body.decode(errors="replace"))
    return form.get("Action", [f"{request.command} {request.path}"])[0]


def _fail(request: BaseHTTPRequestHandler, fault: str, name: str) -> None:
    signed_for = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")[3]
    protocol = "ec2" if signed_for == "ec2" else "query"
    if request.headers.get("X-Amz-Target"):
        protocol = "json"
    form, codes = ERRORS[protocol]
    text = form.format(code=codes[fault], message=f"{fault} {name}")
    _send(request, 400, [], text.encode())


def _send(
    request: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], content: bytes
) -> None:
    request.send_response_only(status)
    for key, value in headers:
        request.send_header(key, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)
