"""What a teacher has said, one reply a line of JSON, on disk before it counts. A run that was killed goes on from here.

Never drops a reply, and holds no address and no key: what is asked names a reply, not who was asked.

    request     digest of what was asked: model, messages, sampling settings, number of the sample
    id, sample  the question, and which of its replies; for people, nothing is found by them
    text        the reply; "" where the server sent none
    finish      why it ends, as the server says
    tokens_in, tokens_out   what it took
    counted     whether the server said so; where it did not, they are the most it can have been
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

from .client import Reply


def digest(request: dict, sample: int) -> str:
    return hashlib.sha256(json.dumps([request, sample], sort_keys=True).encode()).hexdigest()


_KEYS = [field.name for field in fields(Reply)]


class Replies:
    """The file, opened for one run alone. `torn` says how many bytes of a line that was never finished were cut off."""

    def __init__(self, path: Path):
        self.path, self.torn = path, 0
        self._replies: dict[str, Reply] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b", buffering=0)
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Replies:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def get(self, request: str) -> Reply | None:
        return self._replies.get(request)

    def all(self) -> Iterable[Reply]:
        return self._replies.values()

    def add(self, request: str, question: str, sample: int, reply: Reply) -> None:
        line = json.dumps({"request": request, "id": question, "sample": sample, **asdict(reply)}, ensure_ascii=False)
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(whole := line.encode() + b"\n") != len(whole):
                raise OSError(f"{self.path}: the disk is full")
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(end)  # the replies that are still under way must not be glued to half of this one
            raise
        self._replies[request] = reply

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise RuntimeError(f"{self.path} is in use: another run asks for the same output") from err

    def _read(self) -> None:
        self._file.seek(0)
        file, whole = io.BufferedReader(self._file), 0  # bytes of lines that are
        for number, line in enumerate(file, 1):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("no end")
                said = json.loads(line)
                self._replies[said["request"]] = Reply(**{key: said[key] for key in _KEYS})
            except (ValueError, KeyError, TypeError) as err:
                if file.read(1):
                    raise RuntimeError(
                        f"{self.path}:{number}: expected a teacher's reply; remove the line, or move the file away"
                    ) from err
                self.torn = len(line)
                self._file.truncate(whole)
                break
            whole += len(line)
        file.detach()
