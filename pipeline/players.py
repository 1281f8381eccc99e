"""Who takes part in a run: the spelling of `--model`, `--user` and `--judge`.

    expert                    the embedded agent; expert:mistakes=0.3 errs once in that share of episodes, and says so
    scripted                  the embedded user
    program                   no judge but the program
    openai:MODEL@BASE_URL     a model behind an OpenAI-compatible endpoint, such as openai:kimi-k2@http://host:8000/v1
    vllm:MODEL                a model, or a preset of engine/presets.toml, that is served on this machine for the run

A model may be given how it draws its tokens: `openai:kimi-k2@http://host:8000/v1?temperature=0.6&max_tokens=1024`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.types import Sampling
from pipeline.errors import BadInput

Role = Literal["--model", "--user", "--judge"]
EMBEDDED: dict[Role, str] = {"--model": "expert", "--user": "scripted", "--judge": "program"}
SETTINGS = {"temperature": (0.0, 2.0), "top_p": (0.0, 1.0), "max_tokens": (1, 1_000_000)}


class Player(NamedTuple):
    """`name`: of the embedded one, or of the model. `base_url`: where the model is served; "" where it is to be."""

    name: str
    mistakes: float = 0.0
    base_url: str | None = None
    sampling: Sampling = Sampling()

    @property
    def model(self) -> bool:
        return self.base_url is not None


def parse_player(text: str, role: Role) -> Player:
    """Who is meant. Raises BadInput with the forms that there are."""
    embedded = EMBEDDED[role]
    kind, _, rest = text.partition(":")
    if kind == embedded:
        return Player(kind, _mistakes(rest, role)) if rest else Player(kind)
    if kind not in ("openai", "vllm") or not rest:
        raise BadInput(f"there is no {text!r}", where=role, remedy=_forms(embedded))
    rest, _, settings = rest.partition("?")
    model, _, base_url = rest.partition("@") if kind == "openai" else (rest, "", "")
    if kind == "openai" and not base_url.startswith(("http://", "https://")):
        raise BadInput(f"{text!r} does not say where the model is served", where=role, remedy=_forms(embedded))
    return Player(model, base_url=base_url.rstrip("/"), sampling=_sampling(settings, role))


def without_address(text: str) -> str:
    """What of a spelling changes the rows: a model that moves to another host is the same model."""
    spec, _, settings = text.partition("?")
    return spec.partition("@")[0] + (f"?{settings}" if settings else "")


def _forms(embedded: str) -> str:
    mistakes = ", expert:mistakes=0.3 (a share of episodes with one labelled mistake)" if embedded == "expert" else ""
    return f"Write {embedded}{mistakes}, openai:MODEL@http://HOST:PORT/v1, or vllm:MODEL."


def _mistakes(options: str, role: Role) -> float:
    key, _, value = options.partition("=")
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if role != "--model" or key != "mistakes" or not 0 <= rate <= 1:
        raise BadInput(f"{options!r} is not an option of {EMBEDDED[role]}", where=role, remedy=_forms(EMBEDDED[role]))
    return rate


def _sampling(settings: str, role: Role) -> Sampling:
    given: dict[str, float] = {}
    for setting in filter(None, settings.split("&")):
        name, _, value = setting.partition("=")
        low, high = SETTINGS.get(name, (1, 0))
        try:
            number = float(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            known = ", ".join(f"{n} ({a:g} to {b:g})" for n, (a, b) in SETTINGS.items())
            raise BadInput(f"{setting!r} is not a setting of a model", where=role, remedy=f"There are {known}.")
        given[name] = int(number) if name == "max_tokens" else number
    return Sampling.model_validate(given)
