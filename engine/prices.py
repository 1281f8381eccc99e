"""What a run costs: by the token at a provider, by the hour on a rented server, by its wear and power on one's own.

Prices are data that people edit (`prices.toml`). Nothing here measures: tokens and seconds come from a ledger.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from engine.types import Frozen

PRICES = Path(__file__).with_name("prices.toml")
HOURS_A_YEAR = 8766.0
Dollars = Annotated[float, Field(ge=0)]


class Use(Frozen):
    """What was used: tokens by kind, and seconds for which the server was held."""

    prompt_tokens: int = 0
    cached_tokens: int = 0  # of the prompt tokens
    completion_tokens: int = 0
    seconds: float = 0.0

    def times(self, factor: float) -> Use:
        """As much for a run that is so many times as large."""
        return Use(
            prompt_tokens=round(self.prompt_tokens * factor),
            cached_tokens=round(self.cached_tokens * factor),
            completion_tokens=round(self.completion_tokens * factor),
            seconds=self.seconds * factor,
        )


class _Price(Frozen):
    looked_up: date | None = None
    source: str = ""


class Api(_Price):
    """Dollars for a million tokens."""

    kind: Literal["api"]
    input: Dollars
    cached_input: Dollars | None = None  # like any input where none is given
    output: Dollars

    def cost(self, use: Use) -> float:
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = use.prompt_tokens - use.cached_tokens
        return (fresh * self.input + use.cached_tokens * cached + use.completion_tokens * self.output) / 1e6


class Rented(_Price):
    """A server by the hour, whatever it does in it."""

    kind: Literal["rented"]
    dollars_an_hour: Dollars

    def cost(self, use: Use) -> float:
        return use.seconds / 3600 * self.dollars_an_hour


class Owned(_Price):
    """One's own machine: its price spread over the years that it is kept, and the power that it draws."""

    kind: Literal["owned"]
    purchase: Dollars
    years: float = Field(gt=0)
    watts: float = Field(ge=0)
    dollars_a_kwh: Dollars

    @property
    def power_a_year(self) -> float:
        """Dollars for the power of a year under load."""
        return self.watts / 1000 * HOURS_A_YEAR * self.dollars_a_kwh

    def cost(self, use: Use) -> float:
        hours = use.seconds / 3600
        return hours * (self.purchase / self.years / HOURS_A_YEAR + self.watts / 1000 * self.dollars_a_kwh)


Price = Annotated[Api | Rented | Owned, Field(discriminator="kind")]
_FILE: TypeAdapter[dict[str, Price]] = TypeAdapter(dict[str, Price])


class PriceError(ValueError):
    """A price file that cannot be read; the text names it and what is wrong."""


def load_prices(file: Path = PRICES) -> dict[str, Api | Rented | Owned]:
    """The prices of a file, by name. Raises PriceError that names the file and the entry."""
    try:
        return _FILE.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise PriceError(f"{file}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise PriceError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def years_to_break_even(purchase: float, running_a_year: float, instead_a_year: float) -> float | None:
    """After how many years a machine is cheaper than what is paid instead; None: never.

    With several people on one machine, `instead_a_year` is what all of them would pay.
    """
    saved = instead_a_year - running_a_year
    return purchase / saved if saved > 0 else None


def uses_to_break_even(purchase: float, machine_cost: float, api_cost: float) -> float | None:
    """After how many such runs a machine is cheaper than the API; None: never. Costs: of one run, without purchase."""
    return purchase / (api_cost - machine_cost) if api_cost > machine_cost else None
