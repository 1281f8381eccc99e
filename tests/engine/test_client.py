"""The client against a server with a real socket: what it sends, what it believes, what it asks for again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.client import Gate, ModelError, OpenAIClient, Patience, read_completion
from engine.metrics import parse_metrics
from engine.throttle import Throttle
from engine.types import Completion, Message, Request, Sampling, ToolCall, ToolSchema
from tests.engine.fake_server import FakeServer, Trouble, call

QUICK = Patience(connect=5.0, answer=60.0, tries=6, first_wait=0.001, longest_wait=0.1)
ASK = Request(model="m", messages=(Message(role="user", content="Is berth B07 free?"),), conversation="c1")


async def ask(server: FakeServer, request: Request = ASK, patience: Patience = QUICK) -> Completion:
    async with server.serving(), OpenAIClient(server.base_url, patience=patience) as client:
        return await client.complete(request)


async def test_what_is_asked_goes_out_in_the_chat_format_with_the_conversation_in_a_header() -> None:
    tool = ToolSchema(name="find", description="Find a berth.", parameters={"type": "object"})
    server = FakeServer()
    await ask(server, ASK.model_copy(update={"tools": (tool,), "sampling": Sampling(temperature=0.6, seed=7)}))
    (body,) = server.bodies
    assert body == {
        "model": "m", "messages": [{"role": "user", "content": "Is berth B07 free?"}], "temperature": 0.6, "seed": 7,
        "max_tokens": 2048, "tools": [tool.wire()], "tool_choice": "auto",
    }  # fmt: skip
    assert server.sessions == ["c1"]


async def test_calls_tokens_and_reasoning_are_read() -> None:
    server = FakeServer(answer=lambda body: {**call("find", {"berth": "B07"}, "functions.find:0"), "reasoning": "Hm."})
    got = await ask(server)
    assert got.message.tool_calls == (ToolCall(id="functions.find:0", name="find", arguments='{"berth":"B07"}'),)
    assert (got.prompt_tokens, got.completion_tokens, got.cached_tokens, got.reasoning) == (100, 10, 60, "Hm.")
    assert got.finish_reason == "tool_calls" and not got.problems


async def test_a_schema_is_asked_for_as_guided_json() -> None:
    server = FakeServer()
    await ask(server, ASK.model_copy(update={"json_schema": {"type": "object"}}))
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize("trouble", ["429", "500", "disconnect", "malformed", "no_json", "cut_body"])
async def test_what_a_server_does_wrong_is_asked_for_again(trouble: Trouble) -> None:
    server = FakeServer(trouble=lambda n: trouble if n < 3 else None)
    assert (await ask(server)).message.content == "Hello."
    assert len(server.bodies) == 4


async def test_an_answer_that_never_comes_is_given_up_and_asked_for_again() -> None:
    server = FakeServer(trouble=lambda n: "hang" if n == 0 else None)
    patience = QUICK.model_copy(update={"answer": 0.3})
    assert (await ask(server, patience=patience)).message.content == "Hello."


@pytest.mark.parametrize(
    ("trouble", "kind"), [("429", "overloaded"), ("500", "failed"), ("disconnect", "failed"), ("no_json", "malformed")]
)
async def test_a_server_that_stays_wrong_is_an_error_that_says_how_and_never_an_answer(
    trouble: Trouble, kind: str
) -> None:
    server = FakeServer(trouble=lambda n: trouble)
    with pytest.raises(ModelError) as caught:
        await ask(server)
    assert caught.value.kind == kind and len(server.bodies) == QUICK.tries


async def test_what_a_server_refuses_for_good_is_asked_once() -> None:
    server = FakeServer(trouble=lambda n: "400")
    with pytest.raises(ModelError, match="cannot be done") as caught:
        await ask(server)
    assert caught.value.kind == "refused" and len(server.bodies) == 1


async def test_no_server_at_all_is_said_with_its_address() -> None:
    server = FakeServer()
    async with server.serving():
        address = server.base_url
    async with OpenAIClient(address, patience=QUICK.model_copy(update={"tries": 2})) as client:
        with pytest.raises(ModelError, match=r"127\.0\.0\.1") as caught:
            await client.complete(ASK)
    assert caught.value.kind == "unreachable"


async def test_calls_of_an_answer_that_was_cut_off_are_not_believed() -> None:
    got = await ask(FakeServer(answer=lambda body: call("find", "7"), trouble=lambda n: "truncated"))
    assert got.truncated and got.message.tool_calls == () and "cut off" in got.problems[0]


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"tool_calls": 3}}]}']
)
def test_no_shape_of_answer_is_taken_for_a_completion(payload: bytes) -> None:
    with pytest.raises(ModelError):
        read_completion(payload)


def test_arguments_given_as_an_object_are_written_out_and_said() -> None:
    got = read_completion(
        b'{"choices": [{"message": {"tool_calls": [{"id": 3, "function": {"name": "f", "arguments": {"a": 1}}}]}}]}'
    )
    assert got.message.tool_calls == (ToolCall(id="3", name="f", arguments='{"a":1}'),) and got.problems


async def test_no_more_is_in_flight_than_the_throttle_allows_and_nobody_is_forgotten() -> None:
    server = FakeServer(latency=lambda n: 0.01)
    async with server.serving(), OpenAIClient(server.base_url, throttle=Throttle(limit=7, most=7)) as client:
        answers = await asyncio.gather(*(client.complete(ASK) for _ in range(60)))
    assert len(answers) == 60 and server.most_in_flight == 7 and client.gate.in_flight == 0


async def test_who_gives_up_waiting_leaves_no_place_taken() -> None:
    gate = Gate(Throttle(limit=1, most=1))
    inside = asyncio.Event()

    async def hold() -> None:
        async with gate.place():
            await inside.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()  # was waiting
    tasks[0].cancel()  # had the place: it goes to the next
    await asyncio.sleep(0)
    tasks[2].cancel()  # may have just been given it
    await asyncio.gather(*tasks[:3], return_exceptions=True)
    inside.set()
    await tasks[3]
    assert gate.in_flight == 0


METRICS = """# HELP vllm:num_requests_running Number of requests
vllm:num_requests_running{engine="0",model_name="m"} 12.0
vllm:num_requests_running{engine="1",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
vllm:num_preemptions_total{engine="0"} 4.0
vllm:prefix_cache_queries_total{engine="0"} 1e+03
vllm:prefix_cache_hits_total{engine="0"} 900.0
"""


async def test_a_servers_metrics_move_the_throttle() -> None:
    seen = asyncio.Event()

    def metrics() -> str:
        if server.asked_for_metrics > 1:  # the first answer has been taken in by the time of the second question
            seen.set()
        return METRICS

    server = FakeServer(metrics=metrics)
    async with server.serving(), OpenAIClient(server.base_url, throttle=Throttle(limit=16)) as client:
        await seen.wait()
        assert client.gate.throttle.last_metrics is not None and client.metrics is not None
        assert client.metrics.prefix_rate == 0.9


def test_metrics_of_several_engines_are_taken_together_and_other_texts_are_none() -> None:
    found = parse_metrics(METRICS)
    assert found is not None
    assert (found.running, found.waiting, found.kv_use, found.preemptions) == (15, 2, 0.75, 4)
    others: list[Any] = [
        "",
        "<html>",
        "python_gc_objects_collected_total 7",
        METRICS.replace("0.25", "x").replace("0.75", "y"),
    ]
    assert all(parse_metrics(text) is None for text in others)
