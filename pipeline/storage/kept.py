"""Results that cost time and follow from content alone, kept from run to run: a cache, never a source of truth.

One file a result, named by the hash of all that it follows from. A file is written whole and holds a hash of itself,
so what is cut off, damaged or of another format counts as missing. Nobody waits for anybody: several processes may keep
the same result at once. The folder is bounded; the oldest results go. What cannot be kept is made again next time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pipeline.identity import content_hash
from pipeline.storage.files import part_path, write_all

VARIABLE = "TOOLWORLDS_CACHE"
MOST = 256  # results in one of the 256 subfolders
SPARED = 192  # how many of them stay when it is full


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where results are kept: TOOLWORLDS_CACHE, else a folder of ours in the user's cache; None: nowhere (it is "")."""
    if (given := environment.get(VARIABLE)) is not None:
        return Path(given).absolute() if given else None
    base = environment.get("XDG_CACHE_HOME", "")
    try:
        home = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return None
    return home / "toolworlds"


class Kept:
    """The results of one kind, by key. With `folder` None it keeps nothing."""

    def __init__(self, folder: Path | None, kind: str) -> None:
        self._folder = folder / kind if folder is not None else None

    def get(self, key: str) -> bytes | None:
        """What was kept under a key; None when there is nothing, or nothing whole."""
        if self._folder is None:
            return None
        try:
            head, _, data = self._file(self._folder, key).read_bytes().partition(b"\n")
        except OSError:
            return None
        return data if head.decode("ascii", "replace") == content_hash(data) else None

    def put(self, key: str, data: bytes) -> None:
        """Keep a result. Where that is not possible (no room, no permission), nothing is kept and nothing is said."""
        if self._folder is None:
            return
        final = self._file(self._folder, key)
        part = part_path(final)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            self._make_room(final.parent)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                write_all(descriptor, content_hash(data).encode() + b"\n" + data)
            finally:
                os.close(descriptor)
            os.rename(part, final)
        except OSError:
            with suppress(OSError):
                os.unlink(part)

    def _file(self, folder: Path, key: str) -> Path:
        return folder / key[:2] / key

    def _make_room(self, folder: Path) -> None:
        with os.scandir(folder) as entries:
            files = list(entries)
        if len(files) < MOST:
            return
        ages: list[tuple[int, str]] = []
        for entry in files:
            with suppress(OSError):  # another process was faster
                ages.append((entry.stat().st_mtime_ns, entry.path))
        for _, path in sorted(ages)[: max(0, len(ages) - SPARED)]:
            with suppress(OSError):
                os.unlink(path)
