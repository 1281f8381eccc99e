"""Completions kept on disk, so that a conversation that was cut off is taken up where it was and nothing is paid twice.

The key is the whole request, the name of its conversation included: two attempts at one task ask the same first
question and must not get the same answer. What was answered before a kill is answered from here, word for word; only
the calls that were in flight are made again.
"""

from __future__ import annotations

import sqlite3
from hashlib import blake2b
from pathlib import Path

from pydantic import ValidationError

from engine.client import ModelClient
from engine.types import Answered, Completion, Request, canonical_json


class CachedClient:
    """A client in front of which stands a file of earlier completions. Safe against kills; one process a file."""

    def __init__(self, client: ModelClient, file: Path) -> None:
        self._client = client
        self.hits = self.misses = 0
        file.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(file, isolation_level=None)
        # a commit survives a killed process; what a power cut may lose is asked for again
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS completions "
            "(n INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, request TEXT NOT NULL, completion TEXT NOT NULL)"
        )

    async def complete(self, request: Request) -> Completion:
        """The earlier answer to just this request, else the client's. Raises what the client raises."""
        key = request_key(request)
        row = self._connection.execute("SELECT completion FROM completions WHERE key = ?", (key,)).fetchone()
        if row is not None:
            try:
                found = Completion.model_validate_json(row[0])
            except ValidationError:
                pass  # written by another version: ask again
            else:
                self.hits += 1
                return found
        self.misses += 1
        completion = await self._client.complete(request)
        self._connection.execute(
            "INSERT OR REPLACE INTO completions (key, request, completion) VALUES (?, ?, ?)",
            (key, asked(request), completion.model_dump_json()),
        )
        return completion

    def kept(self) -> list[Answered]:
        """Everything that is kept, in the order in which it was answered. The messages of a request are not: they are
        those of the conversation that it names."""
        rows = self._connection.execute("SELECT request, completion FROM completions ORDER BY n").fetchall()
        return [
            Answered(request=Request.model_validate_json(asked), completion=Completion.model_validate_json(answer))
            for asked, answer in rows
        ]

    def close(self) -> None:
        self._connection.close()


def asked(request: Request) -> str:
    """What of a request is kept beside its answer: who was asked, and how."""
    return request.model_copy(update={"messages": (), "tools": ()}).model_dump_json()


def request_key(request: Request) -> bytes:
    """What a request is known by: a hash of everything in it."""
    return blake2b(canonical_json(request.model_dump(mode="json")).encode(), digest_size=16).digest()
