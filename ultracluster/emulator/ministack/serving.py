"""The web server: MiniStack's application, with the report beside it."""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from ultracluster.emulator.faults import Faults
from ultracluster.emulator.ministack import adapter, functions, internals, nodes
from ultracluster.emulator.ministack.guard import failing, guarded
from ultracluster.emulator.ministack.handlers import Journal
from ultracluster.emulator.process import REPORT_PATH, Report

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

KEEP_ALIVE_SECONDS: Final = 75
FIRST_ERROR: Final = 400
LONGEST_PROBLEM: Final = 500
NOT_EMULATED: Final = ("InvalidAction", "InternalError", "UnknownOperation", "Unsupported service")
"""What MiniStack answers where it lacks a call or fails itself."""


def serve(listener: socket.socket, faults: Faults, state: Path) -> None:
    journal = Journal()
    adapter.install(faults, journal)
    functions.install(state)
    nodes.install(os.environ.get("EMULATOR_NODES"))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.loglevel = "WARNING"
    config.accesslog = None
    application = guarded(_with_report(journal, faults), os.environ["AWS_SESSION_TOKEN"])
    asyncio.run(hypercorn_serve(application, config))


def _with_report(journal: Journal, faults: Faults) -> Any:
    services = failing(internals.app.app, faults)

    async def application(scope: Message, receive: Any, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == REPORT_PATH:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            kinds, problems = tuple(sorted(journal.schema_only)), tuple(journal.problems)
            report = Report(kinds, problems, tuple(faults.unfired()))
            body = json.dumps(asdict(report)).encode()
            await send({"type": "http.response.body", "body": body})
            return
        await services(scope, receive, _watched(scope, send, journal))

    return application


def _watched(scope: Message, send: Send, journal: Journal) -> Send:
    """Note answers that say that the emulation, not the request, is at fault."""
    failing = False

    async def watched(message: Message) -> None:
        nonlocal failing
        if message["type"] == "http.response.start":
            failing = message["status"] >= FIRST_ERROR
        elif failing and message.get("body"):
            text = bytes(message["body"]).decode(errors="replace")
            if any(sign in text for sign in NOT_EMULATED):
                call = f"{scope['method']} {scope['path']}"
                journal.problems[f"{call}: {text[:LONGEST_PROBLEM]}"] = None
        await send(message)

    return watched
