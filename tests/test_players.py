"""How people say who takes part: read into parts, and refused with the forms that there are."""

from __future__ import annotations

import pytest

from engine.types import Sampling
from pipeline.config import RunConfig
from pipeline.errors import BadInput
from pipeline.players import Player, parse_player, without_address


def test_the_embedded_ones_are_read() -> None:
    assert parse_player("expert", "--model") == Player("expert")
    assert parse_player("expert:mistakes=0.25", "--model") == Player("expert", mistakes=0.25)
    assert parse_player("scripted", "--user") == Player("scripted")
    assert parse_player("program", "--judge") == Player("program")


def test_models_are_read_with_their_address_and_settings() -> None:
    found = parse_player("openai:org/kimi-k2@http://host:8000/v1/?temperature=0.6&max_tokens=900", "--model")
    assert found == Player(
        "org/kimi-k2", base_url="http://host:8000/v1", sampling=Sampling(temperature=0.6, max_tokens=900)
    )
    assert found.model and not parse_player("expert", "--model").model
    assert parse_player("vllm:qwen3-30b-a3b", "--judge") == Player("qwen3-30b-a3b", base_url="")


@pytest.mark.parametrize(
    "text",
    ["", "oracle", "expert:mistakes=2", "expert:mistakes=x", "expert:luck=1", "openai:m", "openai:m@host", "openai:",
     "vllm:", "scripted"],
)  # fmt: skip
def test_other_spellings_are_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(BadInput, match=r"expert:mistakes=0\.3"):
        parse_player(text, "--model")


@pytest.mark.parametrize("setting", ["temperature=3", "temperature", "seed=1", "max_tokens=0", "top_p=x"])
def test_settings_that_there_are_not_are_refused_with_those_that_there_are(setting: str) -> None:
    with pytest.raises(BadInput, match="temperature \\(0 to 2\\)"):
        parse_player(f"openai:m@http://h/v1?{setting}", "--user")


def test_a_user_makes_no_mistakes_on_purpose() -> None:
    with pytest.raises(BadInput):
        parse_player("scripted:mistakes=0.1", "--user")


def test_a_model_that_moves_to_another_host_is_the_same_and_one_that_draws_otherwise_is_not() -> None:
    here, there = "openai:m@http://a:1/v1?top_p=0.9", "openai:m@https://b/v1?top_p=0.9"
    assert without_address(here) == without_address(there) == "openai:m?top_p=0.9"
    runs = [
        RunConfig(domains=("toy",), agent=spec).fingerprint({}, "1") for spec in (here, there, "openai:m@http://a:1/v1")
    ]
    assert runs[0] == runs[1] != runs[2]
