"""Costs follow from tokens, hours and watts; prices are a file that people edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.prices import Api, Owned, PriceError, Rented, Use, load_prices, uses_to_break_even, years_to_break_even

RUN = Use(prompt_tokens=2_000_000, cached_tokens=1_500_000, completion_tokens=100_000, seconds=7200)


def test_an_api_costs_by_the_million_tokens_and_cached_ones_less() -> None:
    price = Api(kind="api", input=0.6, cached_input=0.15, output=2.5)
    assert price.cost(RUN) == pytest.approx(0.5 * 0.6 + 1.5 * 0.15 + 0.1 * 2.5)
    assert price.model_copy(update={"cached_input": None}).cost(RUN) == pytest.approx(2 * 0.6 + 0.25)


def test_a_rented_server_costs_by_the_hour() -> None:
    assert Rented(kind="rented", dollars_an_hour=28).cost(RUN) == pytest.approx(56)


def test_an_owned_machine_costs_its_wear_and_its_power() -> None:
    price = Owned(kind="owned", purchase=8766, years=1, watts=1000, dollars_a_kwh=0.2)
    assert price.cost(RUN) == pytest.approx(2 * (1 + 0.2))
    assert price.power_a_year == pytest.approx(8766 * 0.2)


def test_a_machine_of_25000_with_1080_of_power_a_year_breaks_even_after_18_9_developer_years_of_200_a_month() -> None:
    years = years_to_break_even(25_000, 1_080, 200 * 12)
    assert years is not None and round(years, 1) == 18.9
    assert years_to_break_even(25_000, 1_080, 1_080) is None


def test_runs_until_a_machine_is_cheaper_than_the_api() -> None:
    assert uses_to_break_even(1000, 1, 5) == 250 and uses_to_break_even(1000, 5, 5) is None


def test_a_larger_run_uses_as_much_more() -> None:
    assert RUN.times(2.5) == Use(
        prompt_tokens=5_000_000, cached_tokens=3_750_000, completion_tokens=250_000, seconds=18_000
    )


def test_the_prices_that_ship_can_be_read_and_say_where_they_are_from() -> None:
    prices = load_prices()
    assert {price.kind for price in prices.values()} == {"api", "rented", "owned"}
    assert all(price.source and (price.looked_up or "example" in price.source) for price in prices.values())
    own = prices["workstation-owned"]
    assert isinstance(own, Owned) and round(own.power_a_year) == 1078


@pytest.mark.parametrize(
    ("text", "says"),
    [("[a]\nkind='api'\ninput=-1\noutput=1", "greater than or equal"), ("[a]\nkind='x'", "kind"), ("[a", "prices")],
)
def test_a_price_that_cannot_be_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(PriceError, match=says):
        load_prices(file)
