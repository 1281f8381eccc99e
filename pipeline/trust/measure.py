"""How far the rows of a run can be believed: measured beside them, in a few seconds a domain.

* Hand-checked conversations, where the checkout has some for the domain: precision and recall of "passed".
* A small audit of the domain's worlds: contradictions by class.
* Errors of the user over some of the run's own conversations, by class.

How well the verifiers did on mutants and variants stands with each task already; whose fault each row is stands in the
dataset. `toolworlds query trust` brings it all together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from pipeline.errors import ToolworldsError
from pipeline.storage.kept import Kept
from pipeline.storage.trust_file import Example, Figure, TrustFile
from pipeline.trust.audit import audit
from pipeline.trust.cases import load_cases, truth_file
from pipeline.trust.truth import Bench, why
from pipeline.trust.users import UserErrorKind, user_errors
from pipeline.verdicts import Record, Rubric
from pipeline.world import CompiledDomain

CALLS = 300  # of the audit of one domain
TALKS = 300  # conversations of one domain that are searched for errors of the user
EXAMPLES = 3  # findings of one kind that are kept at length

Found = Iterator[Figure | Example]


def measure(
    domains: Mapping[str, CompiledDomain],
    rubrics: Mapping[str, Rubric],
    records: Iterable[Record],
    kept: Kept,
    key: Callable[[str, bytes], str],
) -> TrustFile:
    """Everything that is measured beside a run's rows. `records`: in any order; as many are read as are needed.

    What is measured of a domain follows from content alone, so it is kept: `key` is of a domain's name and its cases.
    """
    parts = [_of_domain(compiled, rubrics[name], kept, key) for name, compiled in domains.items()]
    parts.append(_collected(_users(domains, records)))
    return TrustFile(
        figures=tuple(figure for part in parts for figure in part.figures),
        examples=tuple(example for part in parts for example in part.examples),
    )


def _collected(found: Found) -> TrustFile:
    parts = list(found)
    return TrustFile(
        figures=tuple(part for part in parts if isinstance(part, Figure)),
        examples=tuple(part for part in parts if isinstance(part, Example)),
    )


def _of_domain(compiled: CompiledDomain, rubric: Rubric, kept: Kept, key: Callable[[str, bytes], str]) -> TrustFile:
    """What is measured of a domain without any run, as it was kept or found out now."""
    name = compiled.domain.name
    file = truth_file(name)
    under = key(name, file.read_bytes() if file is not None else b"")
    if (data := kept.get(under)) is not None:
        with suppress(ValidationError):
            return TrustFile.model_validate_json(data)
    found = _collected(_anew(compiled, rubric, file))
    kept.put(under, found.model_dump_json().encode())
    return found


def _anew(compiled: CompiledDomain, rubric: Rubric, file: Path | None) -> Found:
    name = compiled.domain.name
    if file is not None:
        yield from _hand_checked(Bench(compiled, rubric), file)
    try:
        looked = audit(compiled, CALLS)
    except ToolworldsError as error:  # no world comes of it: the run's own tasks say the same
        yield Figure(part="audit", domain=name, finding="defect", found=1, out_of=1)
        yield Example(part="audit", domain=name, finding="defect", detail=str(error))
        return
    for kind, count in looked.by_kind.items():
        yield Figure(part="audit", domain=name, finding=kind, found=count, out_of=looked.calls)
        for one in islice((one for one in looked.found if one.kind == kind), EXAMPLES):
            yield Example(part="audit", domain=name, finding=kind, detail=one.detail)


def _hand_checked(bench: Bench, file: Path) -> Found:
    """How the verdicts compare with the labels. A case that fits another version of the domain counts as unfit."""
    name, counts = bench.compiled.domain.name, Counter[tuple[str, bool]]()
    try:
        cases = load_cases(file)
    except ToolworldsError as error:
        yield Figure(part="hand_checked", domain=name, finding="cases that do not fit", found=1, out_of=1)
        yield Example(part="hand_checked", domain=name, finding="unfit", detail=str(error))
        return
    for number, case in enumerate(cases.cases):
        try:
            tried = bench.play(cases, number)
        except ToolworldsError as error:
            counts["unfit", False] += 1
            yield Example(part="hand_checked", domain=name, finding="unfit", detail=str(error))
            continue
        counts[case.label, tried.passed] += 1
        if not tried.as_labelled:
            detail = f"{case.name} ({case.why}): {case.miss or '; '.join(why(tried)) or 'it passed'}"
            yield Example(part="hand_checked", domain=name, finding="miss", detail=detail)
    right = counts["pass", True]
    for finding, found, out_of in (
        ("precision of passed", right, right + counts["fail", True]),
        ("recall of passed", right, right + counts["pass", False]),
        ("verdicts as labelled", right + counts["fail", False], counts.total() - counts["unfit", False]),
        ("cases that do not fit", counts["unfit", False], counts.total()),
    ):
        yield Figure(part="hand_checked", domain=name, finding=finding, found=found, out_of=out_of)


def _users(domains: Mapping[str, CompiledDomain], records: Iterable[Record]) -> Found:
    talks, errors = Counter[str](), Counter[tuple[str, UserErrorKind]]()
    for record in records:
        name = record.task.domain
        if talks[name] == TALKS:
            if all(talks[other] == TALKS for other in domains):
                break
            continue
        talks[name] += 1
        for kind, _, detail in user_errors(record.task, record.trajectory, domains[name].domain.tools):
            errors[name, kind] += 1
            if errors[name, kind] <= EXAMPLES:
                where = f"{record.trajectory.episode_id}: {detail}"
                yield Example(part="users", domain=name, finding=kind, detail=where)
    for name in domains:
        for kind in get_args(UserErrorKind):
            yield Figure(part="users", domain=name, finding=kind, found=errors[name, kind], out_of=talks[name])
