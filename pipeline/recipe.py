"""Everything that a run's rows follow from: the config and the input files, read and prepared.

`generate` gathers the files that ship with the project; `replay` takes those that the run kept. From there on both
go the same way, which is why a replay proves something.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from pipeline import __version__
from pipeline.config import RunConfig
from pipeline.errors import BadInput
from pipeline.identity import content_hash
from pipeline.judging.rubric import BASE, compose, parse_rubric, rubric_files
from pipeline.rollout.expert import PHRASES, parse_phrases
from pipeline.rollout.loop import PROMPT
from pipeline.storage.kept import Kept, cache_folder
from pipeline.tasks.personas import FILE as PERSONAS
from pipeline.tasks.personas import parse_personas
from pipeline.tasks.synthesize import TaskMaker
from pipeline.types import Persona, Task
from pipeline.verdicts import Rubric
from pipeline.world import CompiledDomain, compile_domain, find_domain, parse_source
from pipeline.world.generators import NAMES, Names, parse_names
from pipeline.world.load import name_of, read_files

_FILES = {
    "prompts/system.j2": PROMPT,
    "people/personas.yaml": PERSONAS,
    "people/names.yaml": NAMES,
    "people/expert.yaml": PHRASES,
}


def gather_inputs(config: RunConfig) -> tuple[RunConfig, dict[str, bytes]]:
    """The input files of a run by relative path, and the config with each domain by its name.

    Raises BadInput when a domain is unknown, or two of them bear one name.
    """
    files: dict[str, bytes] = {name: path.read_bytes() for name, path in _FILES.items()}
    names: list[str] = []
    for asked in config.domains:
        folder = find_domain(asked)
        read = read_files(folder)
        name = name_of(folder.name, read)
        if name in names:
            raise BadInput(f"two domains are called {name}", where="--domain")
        names.append(name)
        files |= {f"domains/{name}/{file}": data for file, data in read.items()}
        files |= {f"rubrics/{file.name}": file.read_bytes() for file in rubric_files(name)}
    return config.model_copy(update={"domains": tuple(names)}), files


class Recipe:
    """A config and its inputs, prepared once per process."""

    def __init__(self, config: RunConfig, inputs: Mapping[str, bytes]) -> None:
        """Raises BadInput when an input does not hold what it should."""
        self.config, self.inputs = config, inputs
        self.fingerprint = config.fingerprint({n: content_hash(d) for n, d in inputs.items()}, __version__)
        self.prompt = self._text("prompts/system.j2")
        self.phrases = parse_phrases(self._text("people/expert.yaml"))
        self.personas: tuple[Persona, ...] = parse_personas(self._text("people/personas.yaml"), "personas.yaml")

    def _text(self, name: str) -> str:
        try:
            return self.inputs[name].decode()
        except KeyError:
            raise BadInput(f"the input {name} is missing") from None

    @cached_property
    def names(self) -> Names:
        return parse_names(self._text("people/names.yaml"))

    @cached_property
    def domains(self) -> dict[str, CompiledDomain]:
        """The domains, compiled."""
        out = {}
        for name in self.config.domains:
            prefix = f"domains/{name}/"
            files = {file.removeprefix(prefix): data for file, data in self.inputs.items() if file.startswith(prefix)}
            out[name] = compile_domain(parse_source(name, files))
        return out

    @cached_property
    def makers(self) -> dict[str, TaskMaker]:
        return {name: TaskMaker(compiled, self.config, self.personas) for name, compiled in self.domains.items()}

    @cached_property
    def rubrics(self) -> dict[str, Rubric]:
        """The rubric of each domain: core, prescriptive and its own, if it has one."""
        files = [name for name in self.inputs if name.startswith("rubrics/")]
        read = {Path(name).stem: parse_rubric(name, self._text(name)) for name in files}
        return {
            name: compose(name, (read[part] for part in (*BASE, name) if part in read)) for name in self.config.domains
        }

    @cached_property
    def kept(self) -> Kept:
        """Where admissions are kept from run to run."""
        return Kept(cache_folder(os.environ), "admission")

    @cached_property
    def measured(self) -> Kept:
        """Where it is kept from run to run what was measured of domains."""
        return Kept(cache_folder(os.environ), "measure")

    @cached_property
    def _sources(self) -> dict[str, str]:
        """Hash of each of our own sources, and of the inputs by which tasks are played: admissions follow from them."""
        package = Path(__file__).parent
        files = sorted([*package.rglob("*.py"), *package.with_name("engine").glob("*.py")])
        sources = {str(file.relative_to(package.parent)): content_hash(file.read_bytes()) for file in files}
        return sources | {name: content_hash(self.inputs[name]) for name in _FILES}

    @cached_property
    def _basis(self) -> dict[str, str]:
        """By domain, hash of all but the task from which its admissions follow."""
        rubrics = {name: rubric.model_dump(mode="json") for name, rubric in self.rubrics.items()}
        return {name: content_hash({"sources": self._sources, "rubric": rubric}) for name, rubric in rubrics.items()}

    def admission_key(self, task: Task) -> str:
        """The key under which a task's admission is kept: a hash of all that it follows from.

        The domain's version stands in the task; where in the work list it stands says nothing.
        """
        content = task.model_dump(mode="json", exclude={"index"})
        return content_hash({"task": content, "basis": self._basis[task.domain]})

    def measure_key(self, domain: str, cases: bytes) -> str:
        """The key under which is kept what was measured of a domain, by these hand-checked cases."""
        version = self.domains[domain].domain.version
        return content_hash({"domain": version, "cases": content_hash(cases), "basis": self._basis[domain]})

    def place(self, index: int) -> tuple[str, int]:
        """(domain, position within the domain) of position `index` of the work list."""
        names = self.config.domains
        return names[index % len(names)], index // len(names)
