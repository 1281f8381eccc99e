"""The world engine: domains loaded and prepared, worlds populated, calls executed, change captured.

It never awaits and never sees a model. The home of sqlite3.
"""

from pipeline.world.compile import CompiledDomain, compile_domain
from pipeline.world.environment import Environment, Outcome, SqlEnvironment
from pipeline.world.final import FinalState
from pipeline.world.load import DomainSource, domain_folders, find_domain, load_domain, load_source, parse_source
from pipeline.world.populate import populate
from pipeline.world.world import World

__all__ = [
    "CompiledDomain",
    "DomainSource",
    "Environment",
    "FinalState",
    "Outcome",
    "SqlEnvironment",
    "World",
    "compile_domain",
    "domain_folders",
    "find_domain",
    "load_domain",
    "load_source",
    "parse_source",
    "populate",
]
