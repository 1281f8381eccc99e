"""The files that a run was made from, kept as they were: `inputs/<hash>/`.

Replay needs the domain, the rubric and the prompt of then, not those of now. The folder is named by the hash of all its
files, so what is read back is checked against its own name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from pipeline.errors import BadInput
from pipeline.identity import content_hash
from pipeline.storage.files import sync_folder, write_all, writing

_PART = ".part-inputs.tmp"


def inputs_hash(hashes: Mapping[str, str]) -> str:
    """The name of an inputs folder, from the hash of each file by relative path."""
    return content_hash(dict(hashes))


def file_hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: content_hash(files[name]) for name in sorted(files)}


def write_inputs(run: Path, files: Mapping[str, bytes]) -> str:
    """Keep the files, unless they are kept already; returns the folder's name. Whole or not at all."""
    name = inputs_hash(file_hashes(files))
    root = run / "inputs"
    if (root / name).is_dir():
        return name
    part = root / _PART
    with writing(root):
        root.mkdir(exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            for relative, data in files.items():
                _write(part, relative, data)
            for folder in sorted(p for p in part.rglob("*") if p.is_dir()):
                sync_folder(folder)
            sync_folder(part)
            os.rename(part, root / name)
            sync_folder(root)
        except OSError:
            with suppress(OSError):
                shutil.rmtree(part)
            raise
    return name


def _write(part: Path, relative: str, data: bytes) -> None:
    path = PurePosixPath(relative)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise ValueError(f"an input file must lie inside its folder: {relative!r}")
    file = part / path
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_inputs(run: Path, hashes: Mapping[str, str]) -> dict[str, bytes]:
    """The files of a run by relative path, each checked against its hash.

    Raises BadInput naming the first file that is missing or no longer what it was.
    """
    folder = run / "inputs" / inputs_hash(hashes)
    files = {}
    for name, expected in hashes.items():
        try:
            files[name] = (folder / name).read_bytes()
        except OSError as error:
            raise _changed(folder / name, error.strerror or "cannot be read") from None
        if content_hash(files[name]) != expected:
            raise _changed(folder / name, "is not what it was when the run was made")
    return files


def _changed(file: Path, what: str) -> BadInput:
    remedy = "The run cannot be replayed without it: restore it from a backup, or start a new run in another folder."
    return BadInput(what, where=str(file), remedy=remedy)
