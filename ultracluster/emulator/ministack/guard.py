"""Checks before each emulated call: credentials, and injected faults.

The emulated AWS runs the code of functions as the user who started it. Other users and other
programs reach its port, and so does every page in a browser, by `fetch` or by a name that leads to
127.0.0.1 (DNS rebinding). The secret is the session token of the credentials, which every SDK
sends along.
"""

import asyncio
import hmac
import json
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ultracluster.emulator.faults import DEFAULT, Faults
from ultracluster.emulator.ministack import internals

HOSTS: Final = ("127.0.0.1", "localhost")
TOKEN: Final = "x-amz-security-token"  # noqa: S105 - a header's name
CALLBACK: Final = "/_ministack/cfn-response/"
"""Where a function says how its custom resource went: the rest of the path is a secret by itself,
as the signature of the URL is in AWS."""
CORS: Final = b"access-control-"
SIGNED: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")
UNNAMED: Final = "request"
"""The operation of a call of a REST service, whose name is in no header."""

Message = MutableMapping[str, Any]


def guarded(application: Any, secret: str) -> Any:
    """Return an ASGI application that answers requests with a secret, the session token, alone."""

    async def checked(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif because := refusal(scope, secret):
            await _refuse(send, scope, 403, "InvalidClientTokenId", because)
        else:

            async def without_cors(message: Message) -> None:
                if message["type"] == "http.response.start":
                    rows = message["headers"]
                    kept = [each for each in rows if not each[0].lower().startswith(CORS)]
                    message = {**message, "headers": kept}
                await send(message)

            await application(scope, receive, without_cors)

    return checked


def refusal(scope: Mapping[str, Any], secret: str) -> str | None:
    """Return why a request is refused, None where it is answered."""
    headers = _headers(scope)
    if headers.get("host", "").rpartition(":")[0] not in HOSTS:
        return f"the emulated AWS is asked by the name {' or '.join(HOSTS)} alone"
    if "origin" in headers:
        return "the emulated AWS answers no page of a browser"
    if scope["method"] == "PUT" and scope["path"].startswith(CALLBACK):
        return None  # with another method it would be a call of some service
    key, token = _credentials(scope, headers)
    issued = (internals.sts._sessions.get(key) or {}).get("SessionToken")
    if any(each and hmac.compare_digest(each.encode(), token) for each in (secret, issued)):
        return None
    return "the session token is not that of this emulated AWS; take its credentials"


def _credentials(scope: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the access key and the token of a header, or of a URL that was signed before."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    given = query.get("X-Amz-Security-Token", [""])[0]
    signed = headers.get("authorization", "").partition("Credential=")[2]
    key = (signed or query.get("X-Amz-Credential", [""])[0]).partition("/")[0]
    return key, headers.get(TOKEN, given).encode("latin-1", errors="replace")


def failing(application: Any, faults: Faults) -> Any:
    """Return a web application before which calls fail, or are late, as a fault file says."""

    async def answer(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not faults.of_calls:
            await application(scope, receive, send)
            return
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        rule = faults.of_call(*_call(_headers(scope), messages))
        if rule is not None:
            await asyncio.sleep(rule.seconds)
            if rule.error:
                await _refuse(send, scope, 400, rule.error, rule.message or DEFAULT)
                return

        async def read_again() -> Message:
            following: Message = messages.pop(0) if messages else await receive()
            return following

        await application(scope, read_again, send)

    return answer


def _call(headers: Mapping[str, str], messages: list[Message]) -> tuple[str, str]:
    """Return the name that a request is signed for, and its operation."""
    found = SIGNED.search(headers.get("authorization", ""))
    if found is None:
        return "", ""
    if target := headers.get("x-amz-target", ""):
        return found["service"], target.rpartition(".")[2]
    body = b"".join(message.get("body", b"") for message in messages)
    form = parse_qs(body.decode(errors="replace")) if _is_form(headers) else {}
    return found["service"], form.get("Action", [UNNAMED])[0]


def _is_form(headers: Mapping[str, str]) -> bool:
    return "x-www-form-urlencoded" in headers.get("content-type", "")


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): v.decode("latin-1") for name, v in scope["headers"]}


async def _refuse(send: Any, scope: Message, status: int, code: str, message: str) -> None:
    """Answer with an error in the form of the service's protocol, as the caller's SDK reads it."""
    headers = _headers(scope)
    kind = b"text/xml;charset=UTF-8"
    text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    if "x-amz-target" in headers or "json" in headers.get("content-type", ""):
        kind, text = b"application/x-amz-json-1.1", json.dumps({"__type": code, "message": message})
    elif "/ec2/aws4_request" in headers.get("authorization", ""):
        text = f"<Response><Errors>{text}</Errors></Response>"
    elif _is_form(headers):
        text = f"<ErrorResponse>{text}</ErrorResponse>"
    start = [(b"content-type", kind), (b"x-amzn-errortype", code.encode())]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": text.encode()})
