"""Who may ask the emulated AWS: whoever has its credentials, and no page of a browser.

It runs the code of functions as the user who started it. Other users and other programs reach its
port, and so does every page in a browser, by `fetch` or by a name that leads to 127.0.0.1 (DNS
rebinding). The secret is the session token of the credentials, which every SDK sends along.
"""

import hmac
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ultracluster.emulator.ministack import internals

HOSTS: Final = ("127.0.0.1", "localhost")
FORBIDDEN: Final = 403
TOKEN: Final = "x-amz-security-token"  # noqa: S105 - a header's name
CALLBACK: Final = "/_ministack/cfn-response/"
"""Where a function says how its custom resource went: the rest of the path is a secret by itself,
as the signature of the URL is in AWS."""
CORS: Final = b"access-control-"


def guarded(application: Any, secret: str) -> Any:
    """Return an ASGI application that answers requests with the secret alone.

    Args:
        application: what answers them.
        secret: the session token.
    """

    async def checked(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif because := refusal(scope, secret):
            await _refuse(_headers(scope), because, send)
        else:
            await application(scope, receive, _without_cors(send))

    return checked


def refusal(scope: Mapping[str, Any], secret: str) -> str | None:
    """Return why a request is refused, None where it is answered."""
    headers = _headers(scope)
    if headers.get("host", "").rpartition(":")[0] not in HOSTS:
        return f"the emulated AWS is asked by the name {' or '.join(HOSTS)} alone"
    if "origin" in headers:
        return "the emulated AWS answers no page of a browser"
    if scope["path"].startswith(CALLBACK):
        return None
    key, token = _credentials(scope, headers)
    issued = (internals.sts._sessions.get(key) or {}).get("SessionToken")
    if any(each and hmac.compare_digest(each.encode(), token) for each in (secret, issued)):
        return None
    return "the session token is not that of this emulated AWS; take its credentials"


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): v.decode("latin-1") for name, v in scope["headers"]}


def _credentials(scope: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the access key and the token of a header, or of a URL that was signed before."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    given = query.get("X-Amz-Security-Token", [""])[0]
    signed = headers.get("authorization", "").partition("Credential=")[2]
    key = (signed or query.get("X-Amz-Credential", [""])[0]).partition("/")[0]
    return key, headers.get(TOKEN, given).encode("latin-1", errors="replace")


def _without_cors(send: Any) -> Any:
    async def sent(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [each for each in message["headers"] if not each[0].lower().startswith(CORS)]
            message = {**message, "headers": kept}
        await send(message)

    return sent


async def _refuse(headers: Mapping[str, str], because: str, send: Any) -> None:
    """Refuse in the form that the caller's SDK reads."""
    code = "InvalidClientTokenId"
    kind = "application/x-amz-json-1.1"
    text = json.dumps({"__type": code, "message": because})
    if "x-amz-target" not in headers and "json" not in headers.get("content-type", ""):
        kind = "text/xml"
        error = f"<Code>{code}</Code><Message>{escape(because)}</Message>"
        text = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
    start = {"type": "http.response.start", "status": FORBIDDEN}
    await send({**start, "headers": [(b"content-type", kind.encode())]})
    await send({"type": "http.response.body", "body": text.encode()})
