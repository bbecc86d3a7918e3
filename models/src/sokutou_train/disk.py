"""Files that are written whole or not at all, and a full disk that is named. Knows nothing of what is in them."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)  # no space on the disk, or none left of what the user may take


class DiskFull(RuntimeError):
    """Nothing more can be written into a folder."""


@contextmanager
def named(folder: Path) -> Iterator[None]:
    """Raises `DiskFull` for an error that says the disk of `folder` is full: the system's own does not say which file
    it was."""
    try:
        yield
    except OSError as err:
        if err.errno not in FULL:
            raise
        raise DiskFull(f"no space is left on the disk of {folder}; free some and run the same command again") from err


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a folder to. What is there at the end takes the place of `path`; after an
    error it is removed, and `path` is as it was. Raises `DiskFull`."""
    new = path.with_name(f"{path.name}.new")
    _remove(new)  # of a run that was killed
    with named(path.parent):
        try:
            yield new
            if new.is_dir() and path.exists():
                shutil.rmtree(path)  # a folder replaces only an empty one
            new.replace(path)
        finally:
            _remove(new)


def write(path: Path, text: str) -> None:
    """Writes a text file whole, in UTF-8."""
    with whole(path) as new:
        new.write_text(text, encoding="utf-8")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
