"""A domain that is another one in other words is known by its structure, whatever its names; real ones differ."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from shutil import copytree

import pytest
import yaml

from pipeline.check import check_domain, novelty
from pipeline.check.novelty import MOST, signature_of, similarity
from pipeline.world import compile_domain, domain_folders, load_source

# Words of the grammar that domains also use as names: renaming them would change what the files say.
KEPT = set(
    "name description title email date text kind status type number person role region phone time words format".split()
)


def renamed(folder: Path, into: Path) -> Path:
    """A copy of a domain in which every table, column, view, tool and parameter has another name."""
    compiled = compile_domain(load_source(folder))
    names = set(compiled.relations) | {column for shape in compiled.shapes.values() for column in shape.columns}
    names |= {tool.name for tool in compiled.domain.tools} | {p for t in compiled.domain.tools for p in t.parameters}
    other = {name: f"z_{name[::-1]}" for name in names - KEPT}
    copytree(folder, into)
    for file in into.iterdir():
        text = re.sub(r"(?<![\w$])[a-z][a-z0-9_]*|(?<=\$)[a-z][a-z0-9_]*", _in(other), file.read_text())
        file.write_text(re.sub(r"(?m)^name: .*", f"name: {into.name}", text) if file.name == "domain.yaml" else text)
    return into


def _in(other: dict[str, str]) -> Callable[[re.Match[str]], str]:
    return lambda found: other.get(found.group(), found.group())


def test_a_shipped_domain_with_every_name_changed_is_the_same_domain(tmp_path: Path) -> None:
    travel = domain_folders()["travel"]
    copy = renamed(travel, tmp_path / "voyages")
    assert (copy / "schema.sql").read_text() != (travel / "schema.sql").read_text()
    assert similarity(signature_of(travel), signature_of(copy)) == 1


def test_a_copy_without_some_of_its_tools_is_still_a_copy(tmp_path: Path) -> None:
    travel = domain_folders()["travel"]
    copytree(travel, tmp_path / "voyages")
    file = tmp_path / "voyages" / "tools.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text())[8:]))
    assert MOST < similarity(signature_of(travel), signature_of(tmp_path / "voyages")) < 1


def test_domains_that_were_made_apart_are_far_from_each_other() -> None:
    signatures = {name: signature_of(folder) for name, folder in domain_folders().items()}
    assert len(signatures) >= 3
    for (one, a), (other, b) in combinations(signatures.items(), 2):
        assert similarity(a, b) < MOST / 1.5, (one, other)
        assert similarity(a, b) == similarity(b, a)


def test_the_ladder_refuses_a_copy_and_lets_the_original_pass(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(novelty, "domain_folders", lambda: {"toy": toy})
    copy = renamed(toy, tmp_path / "branch")
    said: list[str] = []
    refusals = check_domain(copy, lambda rung, words: said.append(rung))
    assert [(r.where, r.rung) for r in refusals] == [("branch/domain.yaml:1", "novelty")], "\n".join(map(str, refusals))
    assert "it is toy in other words: similarity 1.00" in refusals[0].what
    assert check_domain(toy, lambda rung, words: None) == []
