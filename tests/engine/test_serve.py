"""Servers are started as the preset says, waited for, shown to have failed, and stopped with all that they started."""

from __future__ import annotations

import os
import socket
import sys
import textwrap
from pathlib import Path

import pytest

from engine.serve import Preset, ServeError, Server, command_of, load_presets, start

# A server that answers /v1/models after a moment, and has a child that would outlive it.
PROGRAM = textwrap.dedent("""
    import http.server, os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(sys.argv[2], "w").write(str(child.pid))
    print("loading", sys.argv[3:], os.environ.get("WEIGHTS"), flush=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.end_headers()
            self.wfile.write(b"{}")

    time.sleep(0.3)
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
""")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_server_is_waited_for_and_stopped_with_its_children(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(PROGRAM)
    words = (sys.executable, str(tmp_path / "server.py"), "{port}", str(tmp_path / "child"), "{model}")
    preset = Preset(command=words, env={"WEIGHTS": "here"})
    port = free_port()
    command = command_of(preset, model="tiny", port=port, more=["--more"])
    with start(preset, command, log=tmp_path / "log", port=port) as server:
        server.wait(60)
        child = int((tmp_path / "child").read_text())
        assert alive(child)
        assert "loading ['tiny', '--more'] here" in (tmp_path / "log").read_text()
    assert not alive(child)
    server.stop()  # again


def test_a_server_that_dies_is_shown_with_the_end_of_its_log(tmp_path: Path) -> None:
    words = (sys.executable, "-c", "import sys; print('CUDA out of memory'); sys.exit(3)")
    with start(Preset(command=words), words, log=tmp_path / "log") as server:
        with pytest.raises(ServeError, match=r"exit code 3(.|\n)*CUDA out of memory"):
            server.wait(60)


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    words = (sys.executable, "-c", "import time; print('still loading', flush=True); time.sleep(600)")
    with start(Preset(command=words), words, log=tmp_path / "log", port=free_port()) as server:
        with pytest.raises(ServeError, match="did not answer within"):
            server.wait(1.5)
    assert not alive(server._process.pid)


def test_a_server_that_ignores_being_asked_is_made_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.serve.STOP", 1.0)
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    server = Server((sys.executable, "-c", program), base_url="http://127.0.0.1:1/v1", log=tmp_path / "log", env={})
    while "up" not in (tmp_path / "log").read_text():
        os.sched_yield()
    server.stop()
    assert not alive(server._process.pid)


def test_a_program_that_is_not_installed_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ServeError, match="no program 'no-such-server' here: install"):
        start(Preset(command=("no-such-server",)), ["no-such-server"], log=tmp_path / "log")


def test_every_preset_makes_a_command_without_gaps() -> None:
    presets = load_presets()
    assert {"kimi-k2", "kimi-k2-ep", "kimi-k2-thinking", "qwen3-30b-a3b", "k2-think", "cpu"} <= presets.keys()
    for name, preset in presets.items():
        for rank in range(preset.nodes):
            words = command_of(preset, model="/models/m", name="served", port=8123, rank=rank, address="10.0.0.1")
            assert "/models/m" in words and "8123" in words and not any("{" in word for word in words), name
            assert ("--headless" in words) == (name == "kimi-k2-ep" and rank == 1)
        assert preset.needs and (preset.gpus or "cpu" in name), name


def test_kimi_presets_ask_for_its_parser_of_tool_calls() -> None:
    for name, preset in load_presets().items():
        if name.startswith("kimi-k2") and "ktransformers" not in name:
            assert preset.command[preset.command.index("--tool-call-parser") + 1] == "kimi_k2"


@pytest.mark.parametrize(
    ("given", "says"),
    [({}, "no model of its own"), ({"model": "m", "rank": 2}, "counted from 0")],
)
def test_what_a_command_lacks_is_said(given: dict[str, object], says: str) -> None:
    with pytest.raises(ServeError, match=says):
        command_of(Preset(command=("x", "{model}")), **given)  # type: ignore[arg-type]


def test_several_nodes_need_the_first_ones_address() -> None:
    with pytest.raises(ServeError, match="--address"):
        command_of(load_presets()["kimi-k2-ep"])


def test_a_preset_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "presets.toml"
    for text, says in (("[a]\ncommand = 3", "command"), ("[a", "presets.toml"), ("[a]\ncommand=['x']\nx=1", "x")):
        file.write_text(text)
        with pytest.raises(ServeError, match=says):
            load_presets(file)
