"""Models behind an HTTP endpoint: the protocol that everybody else sees, and the client for OpenAI-compatible servers.

One client serves all conversations of a process over one connection pool. It never streams (several servers parse tool
calls wrongly only when streaming) and names the conversation in a header, so that a router finds the engine whose
prefix cache has it. What a server does wrong is retried within bounds and then raised as a `ModelError`: it is never
turned into an answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import blake2b
from time import perf_counter
from typing import Any, Literal, Protocol

import orjson

from engine.metrics import parse_metrics
from engine.throttle import Metrics, Throttle
from engine.types import Completion, Frozen, Message, Request, ToolCall

Trouble = Literal["refused", "overloaded", "failed", "timeout", "unreachable", "malformed", "budget"]
RETRIED: frozenset[Trouble] = frozenset({"overloaded", "failed", "timeout", "unreachable", "malformed"})
OVERLOADED, FAILED = (429, 503), (500, 502, 504, 408)
POLL = 1.0  # seconds between two looks at a server's metrics


class ModelError(Exception):
    """A server gave no usable answer. `kind` says whether that was its state, the network or what it was asked."""

    def __init__(self, kind: Trouble, text: str, retry_after: float | None = None) -> None:
        self.kind, self.retry_after = kind, retry_after
        super().__init__(text)


class ModelClient(Protocol):
    """Whoever answers requests. Raises ModelError when there is no answer to be had."""

    async def complete(self, request: Request) -> Completion: ...


class Patience(Frozen):
    """How long an answer may take and how often it is asked for again. Seconds."""

    connect: float = 10.0
    answer: float = 600.0
    tries: int = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0


class OpenAIClient:
    """A client of `base_url` (`http://host:8000/v1`). Use it as an async context manager: it owns its connections.

    `throttle`: where the number in flight begins and between which bounds it moves. `extra`: keys that this server
    wants in every request, such as vLLM's `chat_template_kwargs`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        throttle: Throttle | None = None,
        patience: Patience | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.patience = patience or Patience()
        self.gate = Gate(throttle or Throttle())
        self.metrics: Metrics | None = None
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._extra = dict(extra or {})
        self._polling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> OpenAIClient:
        import aiohttp

        # The gate bounds what is in flight; a second bound here would only hide it.
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
        timeout = aiohttp.ClientTimeout(total=self.patience.answer, sock_connect=self.patience.connect)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._headers)
        self._polling = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        await self._session.close()

    async def complete(self, request: Request) -> Completion:
        """The model's answer. Raises ModelError when it is refused, or when every try went wrong."""
        body = orjson.dumps(self._extra | request_body(request))
        headers = {"X-Session-ID": request.conversation} if request.conversation else {}
        for attempt in range(1, self.patience.tries + 1):
            try:
                async with self.gate.place():
                    completion = await self._post(body, headers)
                    self.gate.finished(completion.completion_tokens)
                    return completion
            except ModelError as error:
                if error.kind in ("overloaded", "timeout"):
                    self.gate.refused(error.retry_after)
                if error.kind not in RETRIED or attempt == self.patience.tries:
                    raise
                await asyncio.sleep(self._wait(request.conversation, attempt, error.retry_after))
        raise AssertionError("the last try returns or raises")

    def _wait(self, conversation: str, attempt: int, retry_after: float | None) -> float:
        """Seconds before the next try: doubling, and different for each conversation, lest they come in step."""
        spread = blake2b(f"{conversation}:{attempt}".encode(), digest_size=2).digest()
        wait = self.patience.first_wait * 2 ** (attempt - 1) * (0.5 + int.from_bytes(spread) / 65_536)
        return min(self.patience.longest_wait, max(wait, retry_after or 0.0))

    async def _post(self, body: bytes, headers: dict[str, str]) -> Completion:
        import aiohttp

        url = f"{self.base_url}/chat/completions"
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                payload = await response.read()
                status, wait = response.status, response.headers.get("Retry-After")
        except (TimeoutError, aiohttp.ServerTimeoutError):
            raise ModelError("timeout", f"{url} did not answer within {self.patience.answer:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise ModelError("unreachable", f"{url}: {error}") from None
        except aiohttp.ClientError as error:
            raise ModelError("failed", f"{url}: {type(error).__name__}: {error}") from None
        if status == 200:
            return read_completion(payload)
        said = payload[:300].decode(errors="replace")
        if status in OVERLOADED:
            raise ModelError("overloaded", f"{url} is overloaded ({status}): {said}", _seconds(wait))
        raise ModelError("failed" if status in FAILED else "refused", f"{url} answered {status}: {said}")

    async def _watch(self) -> None:
        """Look at the server's metrics now and then, where it has any; the throttle follows them."""
        import aiohttp

        url = self.base_url.removesuffix("/v1") + "/metrics"
        misses = 0
        while misses < 3 or self.metrics is not None:
            try:
                async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=5)) as response:
                    found = parse_metrics(await response.text()) if response.status == 200 else None
            except (aiohttp.ClientError, TimeoutError):
                found = None
            misses = 0 if found is not None else misses + 1
            self.metrics = found or self.metrics
            self.gate.polled(found)
            await asyncio.sleep(POLL)


class Gate:
    """Lets as many requests through as the throttle allows; the others wait in order."""

    def __init__(self, throttle: Throttle) -> None:
        self.throttle, self.in_flight = throttle, 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place in flight, waited for if need be."""
        while self.in_flight >= self.throttle.limit or self._waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except BaseException:
                if turn.done() and not turn.cancelled():
                    self.in_flight -= 1  # it was given a place and goes away without taking it
                    self._admit()
                else:
                    self._waiting.remove(turn)
                raise
            break
        else:
            self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self._admit()

    def finished(self, tokens: int) -> None:
        self._now(self.throttle.finished(tokens, perf_counter(), self.in_flight))

    def refused(self, retry_after: float | None) -> None:
        self._now(self.throttle.refused(perf_counter(), retry_after))

    def polled(self, metrics: Metrics | None) -> None:
        self._now(self.throttle.polled(metrics, perf_counter(), self.in_flight))

    def _now(self, throttle: Throttle) -> None:
        self.throttle = throttle
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.in_flight < self.throttle.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)


# ---------------------------------------------------------------- the wire


def request_body(request: Request) -> dict[str, Any]:
    """A request in the OpenAI chat form, with vLLM's spelling of guided JSON beside OpenAI's."""
    body: dict[str, Any] = {"model": request.model, "messages": [message.wire() for message in request.messages]}
    body |= {name: value for name, value in request.sampling.model_dump().items() if value is not None}
    if request.tools:
        body["tools"] = [tool.wire() for tool in request.tools]
        body["tool_choice"] = request.tool_choice
    if request.json_schema is not None:
        schema = {"name": "answer", "schema": request.json_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def read_completion(payload: bytes) -> Completion:
    """The answer in a server's JSON. Raises ModelError("malformed") for anything else.

    Calls of an answer that was cut off are not believed: a truncated call can look whole.
    """
    try:
        value = orjson.loads(payload)
        choice = value["choices"][0]
        wire, finish = choice["message"], choice.get("finish_reason") or "stop"
        calls, problems = _calls(wire.get("tool_calls") or ())
        if finish == "length" and calls:
            problems.append(f"{len(calls)} call(s) of an answer that was cut off")
            calls = []
        usage = value.get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        return Completion(
            message=Message(role="assistant", content=wire.get("content") or None, tool_calls=tuple(calls)),
            finish_reason=finish,
            prompt_tokens=usage.get("prompt_tokens") or 0,
            completion_tokens=usage.get("completion_tokens") or 0,
            cached_tokens=details.get("cached_tokens") or 0,
            reasoning=wire.get("reasoning_content") or wire.get("reasoning") or None,
            problems=tuple(problems),
        )
    except (orjson.JSONDecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
        said = payload[:200].decode(errors="replace")
        raise ModelError("malformed", f"not a chat completion ({type(error).__name__}: {error}): {said}") from None


def _calls(wires: Any) -> tuple[list[ToolCall], list[str]]:
    """The calls of an answer as it has them; arguments that a server gives as an object are written out."""
    calls, problems = [], []
    for wire in wires:
        function = wire["function"]
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            problems.append(f"{function['name']}: the arguments came as {type(arguments).__name__}, not as text")
            arguments = orjson.dumps(arguments).decode()
        calls.append(ToolCall(id=str(wire.get("id") or ""), name=function["name"], arguments=arguments))
    return calls, problems


def _seconds(text: str | None) -> float | None:
    """What a Retry-After header says, where it says seconds."""
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
