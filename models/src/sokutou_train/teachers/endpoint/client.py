"""A teacher behind an OpenAI-compatible endpoint: one request in, one reply out, however often it must be asked for.

Reads no more of a reply than is sane, follows no redirect, and never shows the key, whatever a server echoes. Judges no
answer.
"""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import json
import math
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

BODY_BYTES_MAX = 4 << 20  # a reply of 32,000 tokens has some 200 kB
ERROR_CHARS_MAX = 300  # of a server's message, as people are shown it
BACKOFF_S, BACKOFF_S_MAX = 1.0, 60.0
RETRY_AFTER_S_MAX = 900.0  # a server that asks for more is out of quota for today, and waiting is the person's decision
TOKENS_MAX = 1 << 30  # a count beyond this is a broken server's
_BUSY = {408, 409, 425, 429}

_WAYS_OUT = {
    400: "the server refuses the request: check the options, and --model",
    401: "the server knows no such key: check --key-env or --key-file",
    403: "the key may not use this: check --key-env or --key-file, and --model",
    404: "nothing is there: check --url (it usually ends in /v1) and --model",
}


class EndpointError(RuntimeError):
    """The teacher cannot be asked, and asking again at once will not help."""


class Stopped(Exception):
    """The run ends while a request waits for its turn."""


@dataclass(frozen=True)
class Reply:
    text: str  # "" where the server sent none
    finish: str
    tokens_in: int
    tokens_out: int
    counted: bool = True  # False where the server counts no tokens


class _Again(Exception):
    """This try failed, and another may not."""

    def __init__(self, why: str, after_s: float | None = None):
        super().__init__(why)
        self.after_s = after_s


class Endpoint:
    """Where a teacher is asked; threads may share it. `stop` ends every wait. `wait(s)` says whether the run was
    stopped."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 5,
        requests_per_minute: float | None = None,
        say: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
        jitter: Callable[[], float] = random.random,
    ):
        self.url = _checked(url)
        self.retried = 0
        self._key, self._timeout_s, self._retries = key, timeout_s, retries
        self._gap_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._stop = threading.Event()
        self._say, self._now, self._wait, self._jitter = say, now, wait or self._stop.wait, jitter
        self._turn, self._next = threading.Lock(), -math.inf  # when the next request may start
        headers = {"accept-encoding": "identity"}  # a compressed reply could be any size once unpacked
        if key is not None:
            if not (key and key.isascii() and key.isprintable() and " " not in key):
                raise ValueError("the key has characters that no key has: check --key-env or --key-file")
            headers["authorization"] = f"Bearer {key}"
        self._client = httpx2.Client(
            headers=headers, timeout=timeout_s, follow_redirects=False, limits=httpx2.Limits(max_connections=None)
        )  # who asks says how many at a time

    def stop(self) -> None:
        self._stop.set()

    def ask(self, request: dict) -> Reply:
        """The reply to a chat completion request. Raises `EndpointError`, or `Stopped` if the run ends before there is
        one."""
        for failed in range(self._retries + 1):
            self._take_turn()
            try:
                return self._try(request)
            except _Again as again:
                why, after_s = again, again.after_s
            if after_s is not None and after_s > RETRY_AFTER_S_MAX:
                raise EndpointError(
                    f"{self.url}: {why}; it asks to wait {after_s:.0f} s. Run the same command again then, "
                    f"what it has said is kept"
                )
            if failed < self._retries:
                self._back_off(failed, str(why), after_s)
        raise EndpointError(
            f"{self.url}: no reply after {self._retries + 1} tries, the last: {why}. See that the server runs "
            f"and has room (--timeout-s, --requests-per-minute), then run the same command again; what it has "
            f"said is kept"
        )

    def _take_turn(self) -> None:
        with self._turn:
            start = max(self._now(), self._next)
            self._next = start + self._gap_s
        self._sleep(start - self._now())

    def _back_off(self, failed: int, why: str, after_s: float | None) -> None:
        pause_s = min(BACKOFF_S * 2**failed, BACKOFF_S_MAX) * (0.5 + 0.5 * self._jitter())
        with self._turn:
            self.retried += 1
            if after_s is not None:  # meant for everyone who uses this key
                self._next = max(self._next, self._now() + after_s)
        if after_s is not None:
            pause_s = after_s + pause_s * 0.1  # whoever was told the same time does not come back in the same moment
        self._say(f"{self.url}: {why}; trying again in {pause_s:.1f} s")
        self._sleep(pause_s)

    def _sleep(self, seconds: float) -> None:
        if self._stop.is_set() or (seconds > 0 and self._wait(seconds)):
            raise Stopped

    def _try(self, request: dict) -> Reply:
        try:
            with self._client.stream("POST", f"{self.url}/chat/completions", json=request) as response:
                status, headers = response.status_code, response.headers
                body, whole = self._body(response)
        except httpx2.TimeoutException as err:
            raise _Again(f"no answer within {self._timeout_s:g} s") from err
        except httpx2.TransportError as err:
            raise _Again(self._shown(f"{type(err).__name__}, {err}")) from err
        if status // 100 == 2:
            if not whole:
                raise _Again(f"a reply of more than {BODY_BYTES_MAX} bytes")
            try:
                reply = read_reply(body)
            except ValueError as err:
                raise _Again(self._shown(f"expected a chat completion, {err}")) from err
            return dataclasses.replace(reply, text=self._hidden(reply.text))
        if status // 100 == 3:
            raise EndpointError(
                self._shown(
                    f"{self.url}: redirects to {headers.get('location', 'nowhere')}; if you trust that "
                    f"address, give it as --url"
                )
            )
        why = f"status {status}, {self._shown(_message(body))}"
        if status >= 500 or status in _BUSY:
            raise _Again(why, _seconds(headers.get("retry-after")) if status in {429, 503} else None)
        raise EndpointError(f"{self.url}: {why}; {_WAYS_OUT.get(status, _WAYS_OUT[400])}")

    def _body(self, response: httpx2.Response) -> tuple[bytes, bool]:
        """The body, or its beginning and False if it is too long. A server that drips must end within the timeout
        too."""
        body, end = bytearray(), self._now() + self._timeout_s
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return bytes(body[:BODY_BYTES_MAX]), False
            if self._now() > end:
                raise httpx2.ReadTimeout("drips", request=response.request)
        return bytes(body), True

    def _shown(self, text: str) -> str:
        text = " ".join(cleaned(self._hidden(text)).split())
        return text if len(text) <= ERROR_CHARS_MAX else text[:ERROR_CHARS_MAX] + "..."

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def read_reply(body: bytes) -> Reply:
    """The first choice of a chat completion. Raises `ValueError` that says what is wrong."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise ValueError(f"got no JSON but {_beginning(body)}") from err
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list):
        raise ValueError(f"got no list of choices but {_beginning(body)}")
    usage = value.get("usage")
    counts = [usage.get(key) for key in ("prompt_tokens", "completion_tokens")] if isinstance(usage, dict) else []
    tokens = (*counts, True) if counts and all(map(_is_count, counts)) else (0, 0, False)
    if not choices:  # as filters leave it; the same question would be filtered again
        return Reply("", "no choices", *tokens)
    first = choices[0]
    message = first.get("message") if isinstance(first, dict) else None
    text = message.get("content", "") if isinstance(message, dict) else 0
    if text is not None and not isinstance(text, str):
        raise ValueError("got a choice without a message of text")
    finish = first.get("finish_reason")
    return Reply(cleaned(text or ""), cleaned(finish)[:40] if isinstance(finish, str) else "", *tokens)


def cleaned(text: str) -> str:
    """A text without control characters other than tab and line feed, half surrogates replaced."""
    text = re.sub(r"\r\n?", "\n", text)
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", re.sub(r"[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text))


def _checked(url: str) -> str:
    """Where the API begins. Names and passwords in an address would show in every message, so they are refused."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as err:
        raise ValueError(f"expected --url to be an address as http://127.0.0.1:8000/v1: {err}") from err
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError(
            "expected --url without name, password, query and fragment; a key goes into --key-env or --key-file"
        )
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"expected --url to be an address as http://127.0.0.1:8000/v1, got {url!r:.100}")
    return str(parsed).rstrip("/").removesuffix("/chat/completions")


def _message(body: bytes) -> str:
    """What a server says went wrong, in one of the shapes that servers use, or else as it stands."""
    text = _beginning(body) or "no message"
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict):
        value = value.get("error") or value
    if isinstance(value, dict):
        value = value.get("message") or value.get("detail")
    return value if isinstance(value, str) and value else text


def _beginning(body: bytes) -> str:
    """More than people are shown, so that a key at the cut is still found and hidden."""
    return body[: 16 * ERROR_CHARS_MAX].decode("utf-8", "replace")


def _seconds(retry_after: str | None) -> float | None:
    """What a Retry-After header asks for: seconds, or a date."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = (date - datetime.datetime.now(date.tzinfo)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _is_count(tokens: object) -> bool:
    return isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens <= TOKENS_MAX
