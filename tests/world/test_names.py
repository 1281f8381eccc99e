"""The names of people that worlds are populated with: enough of them, and safe inside sentences and addresses."""

from __future__ import annotations

import re
from pathlib import Path

import pipeline
from pipeline.world.functions import fold
from pipeline.world.yaml_file import read_yaml

DATA, _ = read_yaml(Path(pipeline.__file__).parent / "world" / "names.yaml")
LOCALES = DATA["locales"]
CONFUSING = {
    *("january february march april may june july august september october november december".split()),
    *("jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun".split()),
    *("a an and as at can do he her his i in is it long no of oh on or she so song the to we will yes you".split()),
    *("true false null nan none price day young king".split()),
}


def test_many_places_each_with_many_names() -> None:
    assert len(LOCALES) >= 12
    for locale, entry in LOCALES.items():
        assert set(entry) == {"weight", "first", "last"}, locale
        assert entry["weight"] >= 1
        for part in ("first", "last"):
            assert len(entry[part]) == len({fold(name) for name in entry[part]}) >= 25, (locale, part)


def test_a_name_is_letters_that_survive_in_an_address_and_no_word_of_a_sentence() -> None:
    names = [name for entry in LOCALES.values() for part in ("first", "last") for name in entry[part]]
    assert [n for n in names if not n.isalpha() or not n[0].isupper() or n.casefold() in CONFUSING] == []
    assert [n for n in names if not re.fullmatch("[a-z]+", str(fold(n)))] == []


def test_addresses_use_reserved_domains_only() -> None:
    reserved = re.compile(r"([a-z]+\.)?example(\.(com|org|net))?")
    assert len(DATA["email_domains"]) >= 4
    assert [d for d in DATA["email_domains"] if not reserved.fullmatch(d) or d == "example"] == []
