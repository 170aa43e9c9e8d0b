"""The web server: MiniStack's application, with the report beside it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from operations.emulator.faults import Faults
from operations.emulator.ministack import functions, internals, templates
from operations.emulator.ministack.adapter import Adapter
from operations.emulator.report import REPORT_PATH, Journal

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

KEEP_ALIVE_SECONDS: Final = 75


def serve(listener: socket.socket, faults: Faults, state: Path) -> None:
    """Answer requests on a listening socket until the process ends."""
    journal = Journal()
    Adapter(faults, journal).install()
    functions.install(state)
    templates.install()
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.loglevel = "WARNING"
    config.accesslog = None
    asyncio.run(hypercorn_serve(_with_report(journal), config))


def _with_report(journal: Journal) -> Any:
    async def application(scope: Message, receive: Any, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == REPORT_PATH:
            await _answer(send, journal.report().to_json().encode())
            return
        await internals.app.app(scope, receive, send)

    return application


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
