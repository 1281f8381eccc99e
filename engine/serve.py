"""Starting a model server, waiting until it answers, and stopping it: the only place that knows its command line.

Commands are data (`presets.toml`). A server writes to a log file, whose end is shown when it does not come up. It is
started in a process group of its own and stopped as one: vLLM has workers that outlive a killed parent.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from pydantic import Field, ValidationError

from engine.types import Frozen

PRESETS = Path(__file__).with_name("presets.toml")
STOP = 20.0  # seconds that a server is given to end by itself
KILLED = 5.0  # seconds after which what was killed is gone, or a zombie that nobody collects
SHOWN = 25  # lines of its log that a failure shows


class ServeError(Exception):
    """A server that cannot be started, or did not come up; the text says why and what to do."""


class Preset(Frozen):
    """One way to serve a model, as the file says it."""

    command: tuple[str, ...] = Field(min_length=1)
    model: str = ""
    needs: str = ""
    gpus: int = Field(0, ge=0)
    nodes: int = Field(1, ge=1)
    ready: float = Field(600.0, gt=0)
    env: dict[str, str] = {}
    other_ranks: tuple[str, ...] = ()


def load_presets(file: Path = PRESETS) -> dict[str, Preset]:
    """The presets of a file, by name. Raises ServeError that names the file and the preset."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        return {name: Preset.model_validate(value) for name, value in found.items()}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ServeError(f"{file}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ServeError(f"{file}: {error.title} {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def command_of(
    preset: Preset,
    *,
    model: str | None = None,
    name: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    rank: int = 0,
    address: str = "",
    more: Sequence[str] = (),
) -> list[str]:
    """The words that start this node's server. Raises ServeError when something that they need was not said."""
    model = model or preset.model
    if not model:
        raise ServeError("this preset has no model of its own: say --model with a folder or a name")
    if not 0 <= rank < preset.nodes:
        raise ServeError(f"--rank {rank}: this preset has {preset.nodes} node(s), counted from 0")
    if not address and preset.nodes > 1 and any("{address}" in word for word in preset.command):
        raise ServeError("this preset spans several nodes: say --address with the first node's")
    fill = {
        "model": model, "name": name or model, "host": host, "port": str(port), "rank": str(rank), "address": address,
    }  # fmt: skip
    words = [word.format(**fill) for word in preset.command]
    return [*words, *(preset.other_ranks if rank else ()), *more]


class Server:
    """A running server. `wait` returns once it answers; `stop` ends it and everything that it started."""

    def __init__(self, command: Sequence[str], *, base_url: str, log: Path, env: Mapping[str, str]) -> None:
        self.base_url, self.log = base_url, log
        if shutil.which(command[0]) is None:
            raise ServeError(
                f"there is no program {command[0]!r} here: install the server in an environment of its own and start "
                "it from there, or give the address of one that runs (--model openai:NAME@URL)"
            )
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                start_new_session=True,
            )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self, seconds: float) -> None:
        """Until the server answers. Raises ServeError, with the end of its log, when it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (code := self._process.poll()) is not None:
                raise ServeError(f"the server ended with exit code {code} before it answered.\n{self._tail()}")
            if self._answers():
                return
            time.sleep(0.25)
        raise ServeError(f"the server did not answer within {seconds:g} s.\n{self._tail()}")

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.base_url}/models", timeout=5) as response:
                return bool(response.status == 200)
        except (URLError, OSError):
            return False

    def _tail(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        shown = "\n".join(f"  | {line}" for line in lines[-SHOWN:]) or "  | it wrote nothing"
        return f"The end of {self.log}:\n{shown}"

    def stop(self) -> None:
        """End the server: asked first, then made to. Safe to call again."""
        group = self._process.pid  # it leads its own
        for sign, patience in ((signal.SIGTERM, STOP), (signal.SIGKILL, STOP)):
            try:
                os.killpg(group, sign)
            except ProcessLookupError:
                break
            try:
                self._process.wait(timeout=patience)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait(timeout=STOP)
        gone = time.monotonic() + KILLED
        while time.monotonic() < gone:  # its children die a moment later, and hold ports and memory until then
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)


def start(preset: Preset, command: Sequence[str], *, log: Path, host: str = "127.0.0.1", port: int = 8000) -> Server:
    """Start a preset's server by its command (`command_of`); it may take long until it answers (`Server.wait`)."""
    reached = "127.0.0.1" if host == "0.0.0.0" else host
    return Server(command, base_url=f"http://{reached}:{port}/v1", log=log, env=preset.env)
