"""Asks a teacher every question several times, and keeps what it says as teacher pairs.

Every reply lies on disk before the next thing happens, and pairs are made from there: a run that was cut short and one
that was not write the same pairs. Asks nothing twice, and nothing that could exceed the budget.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ... import pair_files
from ...pair import Pair
from . import asking
from .asking import Dropped
from .cache import Replies, digest
from .client import Endpoint, Reply, Stopped

TEMPLATE_TOKENS_MAX = 256  # what a chat template puts around a question; the longest known to us puts some 60


class BudgetReached(RuntimeError):
    """The next request could exceed the budget."""


@dataclass(frozen=True)
class Sampling:
    """What is asked of the teacher beside the question."""

    model: str
    samples: int = 3
    temperature: float = 0.7
    tokens_max: int = 256
    tokens_key: str = "max_tokens"
    seed: int | None = None

    def request(self, question: Pair, sample: int) -> dict:
        request = {
            "model": self.model,
            "messages": asking.messages(question),
            "temperature": self.temperature,
            self.tokens_key: self.tokens_max,
        }
        return request if self.seed is None else {**request, "seed": self.seed + sample}


@dataclass(frozen=True)
class Budget:
    """Prices a million tokens, and what may be spent; None is no limit. Replies of earlier runs count."""

    price_in: float = 0.0
    price_out: float = 0.0
    money: float | None = None
    tokens: int | None = None

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6

    def covers(self, tokens_in: int, tokens_out: int) -> bool:
        return (self.money is None or self.cost(tokens_in, tokens_out) <= self.money) and (
            self.tokens is None or tokens_in + tokens_out <= self.tokens
        )


@dataclass(frozen=True)
class _Ask:
    """One sample of one question."""

    question: Pair
    sample: int
    request: dict
    digest: str
    tokens_in_most: int  # no tokenizer makes more tokens than bytes


def cache_path(out: Path) -> Path:
    return out.with_name(out.name.removesuffix(".jsonl") + ".replies.jsonl")


def dropped_path(out: Path) -> Path:
    return out.with_name(out.name.removesuffix(".jsonl") + ".dropped.jsonl")


def teach(
    questions: Iterable[Pair],
    out: Path,
    endpoint: Endpoint,
    sampling: Sampling,
    budget: Budget,
    *,
    parallel: int = 1,
    say: Callable[[str], None],
) -> int:
    """Asks what has not been asked, and writes the pairs, also when the run ends early. Returns how many there are."""
    with Replies(cache_path(out)) as replies:
        if replies.torn:
            say(f"{replies.path}: the last line was never finished; it is cut off, and what it answered is asked again")
        run = _Run(list(_asks(questions, sampling)), replies, endpoint, sampling, budget, say)
        try:
            run.ask(parallel)
        finally:
            run.write(out)
            say(run.summary(out))
    return run.pairs


def _asks(questions: Iterable[Pair], sampling: Sampling) -> Iterator[_Ask]:
    for question in questions:
        for sample in range(1, sampling.samples + 1):
            request = sampling.request(question, sample)
            asked = sum(len(message["content"].encode()) for message in request["messages"])
            yield _Ask(question, sample, request, digest(request, sample), asked + TEMPLATE_TOKENS_MAX)


class _Run:
    def __init__(
        self,
        asks: list[_Ask],
        replies: Replies,
        endpoint: Endpoint,
        sampling: Sampling,
        budget: Budget,
        say: Callable[[str], None],
    ):
        self._asks, self._replies, self._endpoint, self._sampling, self._budget, self._say = (
            asks,
            replies,
            endpoint,
            sampling,
            budget,
            say,
        )
        self._of: dict[str, list[_Ask]] = defaultdict(list)  # by digest: one question may stand in the file twice
        for ask in asks:
            self._of[ask.digest].append(ask)
        self._wanted = [same[0] for request, same in self._of.items() if not replies.get(request)]
        self._earlier = sum(len(same) for request, same in self._of.items() if replies.get(request))
        self._tokens_in = sum(reply.tokens_in for reply in replies.all())
        self._tokens_out = sum(reply.tokens_out for reply in replies.all())
        self._uncounted = sum(not reply.counted for reply in replies.all())
        self.pairs = sum(isinstance(judged, Pair) for _, judged in self._judged())
        self._dropped: Counter[str] = Counter()

    def ask(self, parallel: int) -> None:
        todo: queue.SimpleQueue[_Ask] = queue.SimpleQueue()
        answered: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(min(parallel, len(self._wanted))):  # daemons, so that a second Ctrl-C need not wait for them
            threading.Thread(target=_work, args=(self._endpoint, todo, answered), daemon=True).start()
        coming = deque(self._wanted)
        under_way: dict[str, _Ask] = {}
        with tqdm(total=len(self._asks), initial=self._earlier, unit="reply", mininterval=0.5) as bar:
            try:
                self._show(bar)
                while coming or under_way:
                    while coming and len(under_way) < parallel and self._covers([*under_way.values(), coming[0]]):
                        ask = coming.popleft()
                        under_way[ask.digest] = ask
                        todo.put(ask)
                    if not under_way:
                        raise BudgetReached(
                            f"stopped with {len(coming)} replies to go, the next could exceed the budget; what it "
                            f"has said is kept. With more --budget or --budget-tokens the same command goes on"
                        )
                    self._take(answered, under_way, bar)
            except BaseException as err:  # whatever ends the run, replies under way are paid for
                self._endpoint.stop()
                if under_way:
                    again = "; Ctrl-C drops them" if isinstance(err, KeyboardInterrupt) else ""
                    self._say(f"waiting for {len(under_way)} under way{again}")
                while under_way:
                    with contextlib.suppress(RuntimeError, Stopped):  # the first error is the one to tell
                        self._take(answered, under_way, bar)
                raise

    def write(self, out: Path) -> None:
        """Pairs and what was dropped, in the order of the questions, from what lies on disk."""
        judged = list(self._judged())
        self.pairs = pair_files.write(out, (pair for _, pair in judged if isinstance(pair, Pair)))
        dropped = [(ask, said) for ask, said in judged if isinstance(said, Dropped)]
        self._dropped = Counter(said.kind for _, said in dropped)
        with dropped_path(out).open("w", encoding="utf-8") as file:
            for ask, said in dropped:
                line = {
                    "id": f"{ask.question.id}-{ask.sample}",
                    "kind": said.kind,
                    "why": said.why,
                    "reply": reply.text if (reply := self._replies.get(ask.digest)) else None,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def summary(self, out: Path) -> str:
        budget, replies = self._budget, sum(self._replies.get(ask.digest) is not None for ask in self._asks)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self._dropped.items()))
        lines = [
            f"replies  {replies} of {len(self._asks)}, {self._earlier} of them from earlier runs",
            f"pairs    {self.pairs} in {out}",
            f"dropped  {kinds}; why stands in {dropped_path(out)}" if kinds else "dropped  0",
            f"tokens   {self._tokens_in} in, {self._tokens_out} out"
            + f", limit {budget.tokens}" * (budget.tokens is not None)
            + f"; {self._uncounted} replies came uncounted, taken at their most" * bool(self._uncounted),
        ]
        if budget.price_in or budget.price_out:
            lines.append(
                f"cost     {self._cost:.4f}"
                + f", limit {budget.money}" * (budget.money is not None)
                + f"; at {budget.price_in:g} in and {budget.price_out:g} out a million tokens"
            )
        if self._endpoint.retried:
            lines.append(
                f"retries  {self._endpoint.retried}; what a server charges for tries that came to nothing is not in "
                f"these numbers"
            )
        return "\n".join(lines)

    @property
    def _cost(self) -> float:
        return self._budget.cost(self._tokens_in, self._tokens_out)

    def _judged(self) -> Iterator[tuple[_Ask, Pair | Dropped]]:
        for ask in self._asks:
            if reply := self._replies.get(ask.digest):
                yield ask, self._judge(ask, reply)

    def _judge(self, ask: _Ask, reply: Reply) -> Pair | Dropped:
        return asking.judge(ask.question, ask.sample, self._sampling.model, reply.text, reply.finish)

    def _covers(self, asks: list[_Ask]) -> bool:
        return self._budget.covers(
            self._tokens_in + sum(ask.tokens_in_most for ask in asks),
            self._tokens_out + self._sampling.tokens_max * len(asks),
        )

    def _take(self, answered: queue.SimpleQueue, under_way: dict[str, _Ask], bar: tqdm) -> None:
        """Keeps the next reply to arrive, or raises what became of it."""
        ask, reply = answered.get()
        del under_way[ask.digest]
        if isinstance(reply, Exception):
            raise reply
        if not reply.counted:
            reply = replace(reply, tokens_in=ask.tokens_in_most, tokens_out=self._sampling.tokens_max)
        self._replies.add(ask.digest, ask.question.id, ask.sample, reply)
        self._tokens_in += reply.tokens_in
        self._tokens_out += reply.tokens_out
        self._uncounted += not reply.counted
        same = self._of[ask.digest]
        self.pairs += sum(isinstance(self._judge(one, reply), Pair) for one in same)
        self._show(bar)
        bar.update(len(same))

    def _show(self, bar: tqdm) -> None:
        cost = f", cost {self._cost:.4f}" if self._budget.price_in or self._budget.price_out else ""
        bar.set_postfix_str(f"{self.pairs} pairs, {self._tokens_in + self._tokens_out} tokens{cost}", refresh=False)


def _work(endpoint: Endpoint, todo: queue.SimpleQueue, answered: queue.SimpleQueue) -> None:
    while True:
        ask = todo.get()
        try:
            answered.put((ask, endpoint.ask(ask.request)))
        except Exception as err:  # told where the replies are taken
            answered.put((ask, err))
