"""CPU seconds of each rung of the check ladder, for one domain, in a process of its own; see `tests.bench`.

`python -m tests.bench_ladder travel` climbs and prints them as JSON. What a rung's child processes use counts, too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from pipeline.check import RUNGS, check_domain
from pipeline.world import find_domain

ROOT = Path(__file__).resolve().parent.parent


def measured(domain: str) -> dict[str, float]:
    """CPU seconds by rung, in a fresh process. Raises CalledProcessError when the domain is refused."""
    command = [sys.executable, "-m", "tests.bench_ladder", domain]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds: dict[str, float] = json.loads(answer.stdout)
    return seconds


def climb(domain: str) -> dict[str, float]:
    """CPU seconds by rung, in this process."""
    seconds: dict[str, float] = {}
    last = _used()

    def done(rung: str, words: str) -> None:
        nonlocal last
        now = _used()
        seconds[rung], last = now - last, now

    refusals = check_domain(find_domain(domain), done)
    if refusals:
        sys.exit("\n".join(map(str, refusals)))
    assert list(seconds) == [name for name, _ in RUNGS]
    return seconds


def _used() -> float:
    every = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in every)


if __name__ == "__main__":
    print(json.dumps(climb(sys.argv[1])))
