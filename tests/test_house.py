"""The front door: what `make` offers, how it sets itself up, how values reach the commands, where data is found.

The Makefile runs here in an empty folder with stand-ins for Python, so nothing is installed and each call takes
milliseconds; the real thing is what starts this test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pipeline
from pipeline import paths
from pipeline.errors import BadInput

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = "setup generate query show notebook replay check test verify lint bench help".split()
READY = ".venv/.toolworlds-ready"

# Stands in for the environment's Python: says what it was asked as JSON.
TELLS = f"""#!{sys.executable}
import json, sys
print(json.dumps(sys.argv[1:]))
"""

# Stands in for the interpreter that a person has. It logs what it is asked for (in HOUSE), and the environments that it
# makes hold a copy of it, whose pip fails as often as the file `failures` says.
MAKES = f"""#!{sys.executable}
import pathlib, sys
house, asked = pathlib.Path(HOUSE), sys.argv[1:]
with open(house / "log", "a") as log:
    print(*asked[:2], file=log)
if asked[:2] == ["-m", "venv"]:
    python = pathlib.Path(asked[-1]) / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(pathlib.Path(__file__).read_text())
    python.chmod(0o755)
if asked[:3] == ["-m", "pip", "install"]:
    left = int((house / "failures").read_text())
    (house / "failures").write_text(str(max(left - 1, 0)))
    sys.exit("no route to host" if left else 0)
"""


class House:
    """A folder with the Makefile and nothing else; `make` runs it and gives exit code and all output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)

    def put(self, name: str, text: str = "") -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)
        return file

    def interpreter(self, *, failures: int) -> Path:
        """A Python that can make environments whose pip fails so many times."""
        self.put("failures", str(failures))
        return self.put("python-of-mine", MAKES.replace("HOUSE", repr(str(self.folder))))

    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()

    def make(self, *arguments: str) -> tuple[int, str]:
        clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        answer = subprocess.run(
            ["make", *arguments], cwd=self.folder, env=clean, capture_output=True, text=True, timeout=60
        )
        return answer.returncode, answer.stdout + answer.stderr

    def asked(self, *arguments: str) -> list[str]:
        """The command line that a make call comes down to."""
        code, text = self.make(*arguments)
        assert code == 0, text
        asked: list[str] = json.loads(text)
        return asked


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def ready(house: House) -> House:
    """A house whose environment is set up already, with a Python that tells what it is asked."""
    house.put(".venv/bin/python", TELLS)
    house.put(READY)
    return house


def test_make_alone_lists_every_command_with_what_it_does(house: House) -> None:
    code, text = house.make()
    listed = [line.split()[1] for line in text.splitlines() if line.startswith("  make ")]
    assert code == 0
    assert sorted(listed) == sorted(COMMANDS)
    assert text == house.make("help")[1]
    assert not (house.folder / ".venv").exists()


def test_generate_passes_on_the_defaults(ready: House) -> None:
    size = ["--tasks", "200", "--attempts", "2", "--seed", "0", "--runner", "local"]
    asked = ready.asked("generate", "DOMAIN=travel")
    assert asked == ["-m", "pipeline", "generate", "--domain", "travel", "--out", "runs/travel", *size]


def test_generate_passes_on_what_was_chosen_and_nothing_else(ready: House) -> None:
    more = ["MODEL=openai:m@http://x", "USER_MODEL=scripted", "JUDGE=program", "WORKERS=3", "RUN=my run", "TASKS=7"]
    asked = ready.asked("generate", "DOMAIN=/some where/toy", *more)
    options = dict(zip(asked[3::2], asked[4::2], strict=True))
    assert options == {
        "--domain": "/some where/toy",
        "--out": "runs/my run",
        "--tasks": "7",
        "--attempts": "2",
        "--seed": "0",
        "--runner": "local",
        "--workers": "3",
        "--model": "openai:m@http://x",
        "--user": "scripted",
        "--judge": "program",
    }
    assert ready.asked("generate", "DOMAIN=/some where/toy")[6] == "runs/toy"


def test_generate_without_a_domain_says_which_there_are_before_anything_is_installed(house: House) -> None:
    house.put("domains/travel/domain.yaml")
    code, text = house.make("generate")
    assert code != 0
    assert "make generate DOMAIN=travel" in text
    assert "There are: travel" in text
    assert not (house.folder / ".venv").exists()


@pytest.mark.parametrize(
    "sql",
    [
        """select "a b", 'it''s' from accepted where kind = 'refuse'""",
        "select '$HOME', $1, '$(shell touch planted)', `x` from t",
        "select '#1' as \"n°\"; -- \\ done",
        "select 1\nfrom accepted",
    ],
)
def test_sql_arrives_as_it_was_typed(ready: House, sql: str) -> None:
    (ready.folder / "runs" / "travel").mkdir(parents=True)
    assert ready.asked("query", f"SQL={sql}") == ["-m", "pipeline", "query", sql, "--run", "runs/travel"]
    assert not (ready.folder / "planted").exists()


def test_the_only_run_need_not_be_named_but_one_of_several_must(ready: House) -> None:
    ready.put("pipeline/queries/funnel.sql")
    code, text = ready.make("query", "NAME=funnel")
    assert code != 0
    assert "make generate DOMAIN=travel" in text
    (ready.folder / "runs" / "travel").mkdir(parents=True)
    assert ready.asked("query", "NAME=funnel")[-1] == "runs/travel"
    assert ready.asked("replay") == ["-m", "pipeline", "replay", "runs/travel"]
    (ready.folder / "runs" / "other").mkdir()
    for arguments in (["query", "NAME=funnel"], ["query", "NAME=funnel", "RUN=absent"], ["replay"]):
        code, text = ready.make(*arguments)
        assert code != 0
        assert "other\ntravel\n" in text
    assert ready.asked("show", "RUN=other", "EPISODE=e1") == ["-m", "pipeline", "show", "runs/other", "e1"]


def test_query_without_a_question_lists_the_questions(ready: House) -> None:
    (ready.folder / "runs" / "travel").mkdir(parents=True)
    ready.put("pipeline/queries/funnel.sql")
    code, text = ready.make("query")
    assert code != 0
    assert "\nfunnel\n" in text


def test_check_examines_all_domains_unless_one_is_named(ready: House) -> None:
    assert ready.asked("check") == ["-m", "pipeline", "check", "all"]
    assert ready.asked("check", "DOMAIN=travel") == ["-m", "pipeline", "check", "travel"]


def test_a_set_up_that_was_cut_off_is_finished_by_the_next_call_and_then_left_alone(house: House) -> None:
    python = house.interpreter(failures=1)
    code, text = house.make("setup", f"PYTHON={python}")
    assert code != 0
    assert "did not finish" in text
    assert not (house.folder / READY).exists()
    half = house.folder / ".venv/lib/python3.11/site-packages/half-1.0.dist-info"
    whole = half.with_name("whole-1.0.dist-info")
    for package in (half, whole):
        package.mkdir(parents=True)
    (whole / "RECORD").touch()

    assert house.make("setup", f"PYTHON={python}")[0] == 0
    assert (house.folder / READY).exists()
    assert not half.exists()
    assert whole.exists()
    assert house.log().count("-m venv") == 1

    before = house.log()
    assert house.make("setup", f"PYTHON={python}")[0] == 0
    assert house.log() == before


def test_new_dependencies_are_installed_into_the_environment_that_is_there(house: House) -> None:
    python = house.interpreter(failures=0)
    assert house.make("setup", f"PYTHON={python}")[0] == 0
    os.utime(house.folder / READY, (1, 1))  # older than pyproject.toml
    assert house.make("setup", "PYTHON=not-there")[0] == 0
    assert house.log().count("-m venv") == 1
    assert sum(line.startswith("-m pip") for line in house.log()) >= 3  # --version once, install twice


def test_an_environment_without_a_working_pip_is_made_anew(house: House) -> None:
    python = house.interpreter(failures=0)
    house.put(".venv/bin/python", "#!/bin/sh\nexit 1\n")
    assert house.make("setup", f"PYTHON={python}")[0] == 0
    assert house.log().count("-m venv") == 1


@pytest.mark.parametrize(
    ("interpreter", "says"),
    [
        ('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1 && exit 0\nexit 1\n', "is Python 3.9.1"),
        ('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n', "its venv module is missing"),
        (None, "is not there"),
    ],
)
def test_an_interpreter_that_will_not_do_is_named_with_a_remedy(
    house: House, interpreter: str | None, says: str
) -> None:
    python = house.folder / "python-of-mine"
    if interpreter is not None:
        house.put(python.name, interpreter)
    code, text = house.make("generate", "DOMAIN=travel", f"PYTHON={python}")
    assert code != 0
    assert says in text
    assert "PYTHON=" in text
    assert not (house.folder / ".venv").exists()


# ---------------------------------------------------------------- where shipped data is found


def test_a_checkout_has_its_data_at_the_top() -> None:
    assert paths.domains_root() == ROOT / "domains"
    assert paths.rubrics_root() == ROOT / "rubrics"


def test_an_installed_package_has_its_data_inside_and_ignores_strangers_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "pipeline"
    (package / "_data" / "domains").mkdir(parents=True)
    (package.parent / "domains").mkdir()
    assert paths.domains_root(package) == package / "_data" / "domains"
    with pytest.raises(BadInput, match="rubrics is missing") as error:
        paths.rubrics_root(package)
    assert "Install toolworlds again" in str(error.value)


def test_the_wheel_takes_the_data_to_where_it_is_looked_for() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert wheel["wheel"]["sources"] == {name: f"pipeline/_data/{name}" for name in ("domains", "rubrics")}
    assert set(wheel["wheel"]["sources"]) <= set(wheel["wheel"]["only-include"])
    assert Path(pipeline.__file__).parent.name == "pipeline"
