"""Calls that fail on purpose: answered by an error, or late, before any service sees them."""

import asyncio
import json
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ultracluster.emulator.faults import DEFAULT, Faults, Rule

SCOPE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/aws4_request")
UNNAMED: Final = "request"
"""The operation of a call of a REST service, whose name is in no header."""
STATUS: Final = 400
XML: Final = "text/xml;charset=UTF-8"
JSON: Final = "application/x-amz-json-1.1"

Message = MutableMapping[str, Any]


def failing(application: Any, faults: Faults) -> Any:
    """Return a web application before which calls fail as a fault file says."""

    async def answer(scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not faults.of_calls:
            await application(scope, receive, send)
            return
        messages = await _whole(receive)
        rule = faults.of_call(*_call(scope, messages))
        if rule is not None:
            await asyncio.sleep(rule.seconds)
            if rule.error:
                await _refuse(send, scope, rule)
                return
        await application(scope, _again(messages, receive), send)

    return answer


async def _whole(receive: Any) -> list[Message]:
    """Return the messages of a request's body."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _again(messages: list[Message], receive: Any) -> Any:
    """Return what hands out messages that were read already, then those that follow."""
    left = list(messages)

    async def replayed() -> Message:
        return left.pop(0) if left else await receive()

    return replayed


def _call(scope: Message, messages: list[Message]) -> tuple[str, str]:
    """Return the name that a request is signed for, and its operation."""
    headers = _headers(scope)
    found = SCOPE.search(headers.get("authorization", ""))
    if found is None:
        return "", ""
    service, target = found["service"], headers.get("x-amz-target", "")
    if target:
        return service, target.rpartition(".")[2]
    body = b"".join(message.get("body", b"") for message in messages)
    text = body.decode(errors="replace") if _is_form(headers) else ""
    return service, parse_qs(text).get("Action", [UNNAMED])[0]


def _is_form(headers: Mapping[str, str]) -> bool:
    return "x-www-form-urlencoded" in headers.get("content-type", "")


def _headers(scope: Message) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in scope["headers"]}


async def _refuse(send: Any, scope: Message, rule: Rule) -> None:
    kind, body = _body(_headers(scope), rule)
    headers = [(b"content-type", kind.encode()), (b"x-amzn-errortype", rule.error.encode())]
    await send({"type": "http.response.start", "status": STATUS, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def _body(headers: Mapping[str, str], rule: Rule) -> tuple[str, str]:
    """Return an error in the form of the service's protocol."""
    code, message = rule.error, rule.message or DEFAULT
    if "x-amz-target" in headers or headers.get("content-type", "").startswith("application/json"):
        return JSON, json.dumps({"__type": code, "message": message})
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if "/ec2/aws4_request" in headers.get("authorization", ""):
        return XML, f"<Response><Errors><Error>{error}</Error></Errors></Response>"
    if _is_form(headers):
        return XML, f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
    return XML, f"<Error>{error}</Error>"
