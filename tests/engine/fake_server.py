"""A chat endpoint with a real socket and no model: it answers by rule, slowly or wrongly as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from aiohttp import web

Trouble = Literal["429", "500", "400", "hang", "disconnect", "truncated", "malformed", "no_json", "cut_body"]
Wire = dict[str, Any]


def say(text: str) -> Wire:
    return {"role": "assistant", "content": text}


def call(name: str, arguments: Any, identity: str = "call_1") -> Wire:
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    made = {"id": identity, "type": "function", "function": {"name": name, "arguments": text}}
    return {"role": "assistant", "content": None, "tool_calls": [made]}


@dataclass
class FakeServer:
    """`answer(body)`: the message. `trouble(n)`: what goes wrong with request number n, if anything. Seconds."""

    answer: Callable[[Wire], Wire] = lambda body: say("Hello.")
    trouble: Callable[[int], Trouble | None] = lambda n: None
    latency: Callable[[int], float] = lambda n: 0.0
    metrics: Callable[[], str] | None = None
    base_url: str = ""
    bodies: list[Wire] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    asked_for_metrics: int = 0
    hung: list[asyncio.Event] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FakeServer]:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}/v1"
        try:
            yield self
        finally:
            for waiting in self.hung:
                waiting.set()
            await runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        self.asked_for_metrics += 1
        if self.metrics is None:
            return web.Response(status=404)
        return web.Response(text=self.metrics())

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        number = len(self.bodies)
        self.bodies.append(body)
        self.sessions.append(request.headers.get("X-Session-ID", ""))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if (wait := self.latency(number)) > 0:
                await asyncio.sleep(wait)
            return await self._answer(request, body, self.trouble(number))
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, body: Wire, trouble: Trouble | None) -> web.StreamResponse:
        if trouble == "429":
            return web.Response(status=429, headers={"Retry-After": "0.05"}, text="too many")
        if trouble in ("500", "400"):
            return web.Response(status=int(trouble), text="what was asked cannot be done")
        if trouble == "hang":
            self.hung.append(asyncio.Event())
            await self.hung[-1].wait()
        if trouble == "disconnect":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if trouble == "no_json":
            return web.Response(text="<html>Bad gateway</html>")
        if trouble == "malformed":
            return web.json_response({"choices": [{"message": None}]})
        message = self.answer(body)
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}}
        finish = "length" if trouble == "truncated" else "tool_calls" if message.get("tool_calls") else "stop"
        wire = orjson.dumps({"choices": [{"message": message, "finish_reason": finish}], "usage": usage})
        if trouble == "cut_body":
            response = web.StreamResponse(headers={"Content-Length": str(len(wire))})
            await response.prepare(request)
            await response.write(wire[: len(wire) // 2])
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(body=wire, content_type="application/json")
