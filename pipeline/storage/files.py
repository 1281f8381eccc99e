"""Writing files so that a kill at any instant leaves either nothing or the whole.

Every durable write of a run goes through here, so that a full disk, a limit on file size or a lost permission becomes
the same clear error everywhere. What a process may leave behind after a kill is named `.part-….tmp`: readers ignore
such files, and the holder of the run's lock removes them.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import BadInput, Incomplete

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
_DENIED |= {errno.EEXIST, errno.ENOENT}  # a file where the folder should be; a place like /proc, or a folder taken away


@contextmanager
def writing(where: Path) -> Iterator[None]:
    """Turn an OSError of a write into the error that a person can act on.

    Raises Incomplete (disk full, limit reached, device error: the same command resumes) or BadInput (no permission).
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in _FULL:
            raise Incomplete(
                f"{where}: cannot be written: {why}.\nWhat was finished before is safe. Free some space (or raise the "
                "limit on file size), then run the same command again: it resumes."
            ) from None
        if error.errno in _DENIED:
            remedy = "Choose another output folder (--out), or give yourself permission to write there."
            raise BadInput(f"cannot be written: {why}", where=str(where), remedy=remedy) from None
        raise Incomplete(f"{where}: cannot be written: {why}.\nThe same command resumes once this is solved.") from None


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte: a nearly full disk takes a part and only then refuses the rest."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def part_path(final: Path) -> Path:
    """A temporary name beside `final`, distinct for every process and thread that may be writing it."""
    return final.with_name(f".part-{final.name}-{os.getpid()}-{threading.get_ident():x}.tmp")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_part(final: Path, data: bytes) -> Path:
    part = part_path(final)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
    finally:
        os.close(descriptor)
    return part


def write_atomic(final: Path, data: bytes) -> None:
    """Replace `final` as a whole: temporary file, fsync, rename, fsync of the folder."""
    with writing(final):
        os.rename(_write_part(final, data), final)
        sync_folder(final.parent)


def write_exclusive(final: Path, data: bytes) -> bool:
    """Create `final` whole; False when it already exists, which is then left as it is.

    A hard link is what makes content and existence appear in one step; O_EXCL alone could leave a half-written file.
    """
    with writing(final):
        part = _write_part(final, data)
        try:
            os.link(part, final)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            if final.exists():  # no hard links here: the run's lock keeps other processes away
                return False
            os.rename(part, final)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(part)
        sync_folder(final.parent)
        return True


def remove_parts(folder: Path) -> int:
    """Remove what killed writers left; only for the holder of the run's lock. Returns how many files."""
    parts = list(folder.glob(".part-*.tmp")) if folder.is_dir() else []
    for part in parts:
        part.unlink(missing_ok=True)
    return len(parts)
