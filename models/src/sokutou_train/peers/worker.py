"""A peer in a process of its own: reads a question as a line of JSON, writes its answer as another. Measures nothing
but its load.

    python -m sokutou_train.peers.worker DRIVER MODEL THREADS

All peers walk the same steps: encode the whole prompt with the peer's own tokenizer, keep the rows of the beginning
that the last question shared, read the rest, answer, write. The letter is the likeliest of four logits, so no peer
samples for it.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the library loads

import hashlib
import importlib.metadata
import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .questions import BECAUSE, CHOICE, CHOICES, FREE_TOKENS, KINDS, LETTERS, MAX_LEN, RATIONALE_TOKENS


class Driver(ABC):
    """One model with one cache."""

    package: str  # whose version is told

    def __init__(self) -> None:
        self.held: list[int] = []  # tokens in the cache

    @abstractmethod
    def encode(self, text: str) -> list[int]: ...

    @abstractmethod
    def rewind(self, length: int) -> None:
        """Forgets all tokens but so many."""

    @abstractmethod
    def feed(self, tokens: Sequence[int]) -> np.ndarray:
        """Reads tokens behind those held; the logits (vocabulary,) after the last one."""

    def write(self, logits: np.ndarray, count: int) -> list[int]:
        """So many tokens, each the likeliest, whatever they are; the last one need not be read."""
        written = []
        while True:
            written.append(int(logits.argmax()))
            if len(written) == count:
                return written
            logits = self.read(written[-1:])

    def read(self, tokens: list[int]) -> np.ndarray:
        self.held += tokens
        return self.feed(tokens)

    def prompt(self, tokens: list[int]) -> tuple[np.ndarray, int]:
        """The logits after a whole prompt, and how many of its tokens had to be read for them: at least the last."""
        shared = 0
        for one, other in zip(self.held, tokens[:-1], strict=False):
            if one != other:
                break
            shared += 1
        if shared < len(self.held):
            self.rewind(shared)
            del self.held[shared:]
        return self.read(tokens[shared:]), len(tokens) - shared


class LlamaCpp(Driver):
    package = "llama-cpp-python"

    def __init__(self, model: Path, threads: int):
        super().__init__()
        import llama_cpp

        self.llama = llama_cpp.Llama(
            str(model),
            n_ctx=MAX_LEN,
            n_batch=MAX_LEN,
            n_ubatch=MAX_LEN,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )
        self.vocabulary = self.llama.n_vocab()

    def encode(self, text: str) -> list[int]:
        return self.llama.tokenize(text.encode(), add_bos=False, special=False)

    def rewind(self, length: int) -> None:
        self.llama.n_tokens = length  # `eval` removes what lies behind

    def feed(self, tokens: Sequence[int]) -> np.ndarray:
        self.llama.eval(tokens)
        return np.ctypeslib.as_array(self.llama._ctx.get_logits_ith(-1), shape=(self.vocabulary,))


class GenAi(Driver):
    package = "onnxruntime-genai"

    def __init__(self, model: Path, threads: int):
        super().__init__()
        import onnxruntime_genai as genai

        genai.disable_telemetry_events()
        config = genai.Config(str(model))
        # Without precise products, int8 saturates silently on a CPU that has no VNNI.
        config.overlay(
            json.dumps(
                {
                    "model": {
                        "decoder": {
                            "session_options": {"intra_op_num_threads": threads, "session.x64quantprecision": "1"}
                        }
                    }
                }
            )
        )
        self.model = genai.Model(config)
        self.tokenizer = genai.Tokenizer(self.model)
        params = genai.GeneratorParams(self.model)
        # The fixed count is written to its end: an end of the text would end it early.
        params.set_search_options(do_sample=False, max_length=MAX_LEN, min_length=MAX_LEN)
        self.generator = genai.Generator(self.model, params)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).tolist()

    def rewind(self, length: int) -> None:
        self.generator.rewind_to(length)

    def feed(self, tokens: Sequence[int]) -> np.ndarray:
        self.generator.append_tokens(np.array(tokens, np.int32))
        return self.generator.get_logits().reshape(-1)

    def write(self, logits: np.ndarray, count: int) -> list[int]:
        written = []
        for _ in range(count):
            self.generator.generate_next_token()
            written.append(int(self.generator.get_next_tokens()[0]))
        self.held += written
        return written


class Transformers(Driver):
    package = "transformers"

    def __init__(self, model: Path, threads: int, int8: bool = False):
        super().__init__()
        import torch
        from tokenizers import Tokenizer
        from transformers import DynamicCache, LlamaForCausalLM

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = LlamaForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        if int8:
            from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

            self.model = quantize_dynamic(self.model, {torch.nn.Linear: per_channel_dynamic_qconfig})
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.cache = DynamicCache(config=self.model.config)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def rewind(self, length: int) -> None:
        self.cache.crop(length - self.cache.get_seq_length())

    def feed(self, tokens: Sequence[int]) -> np.ndarray:
        with self.torch.inference_mode():
            said = self.model(input_ids=self.torch.tensor([tokens]), cache=self.cache, use_cache=True, logits_to_keep=1)
        return said.logits[0, -1].numpy()


class TransformersInt8(Transformers):
    def __init__(self, model: Path, threads: int):
        super().__init__(model, threads, int8=True)


DRIVERS: dict[str, Callable[[Path, int], Driver]] = {
    "llama-cpp": LlamaCpp,
    "genai": GenAi,
    "transformers": Transformers,
    "transformers-int8": TransformersInt8,
}


class Asked:
    """A driver that is asked as the kinds say."""

    def __init__(self, driver: Driver):
        self.driver = driver
        self.because, self.letters = self._token(BECAUSE), [self._token(choice) for choice in CHOICES]
        self.kinds = {kind.name: kind for kind in KINDS}

    def _token(self, text: str) -> int:
        tokens = self.driver.encode(text)
        if len(tokens) != 1:
            raise ValueError(f"expected one token for {text!r}, got {tokens}")
        return tokens[0]

    def answer(self, name: str, question: str) -> dict:
        kind = self.kinds[name]
        tokens = self.driver.encode(kind.prompt(question))
        logits, read = self.driver.prompt(tokens)
        said = {"prompt": digest(tokens), "tokens_in": len(tokens), "tokens_read": read}
        if not kind.lettered:
            written = self.driver.write(logits, FREE_TOKENS)
            return {**said, "answer": None, "confidence": None, "tokens_out": len(written), "written": written}
        four = logits[self.letters].astype(np.float64)
        best = int(four.argmax())
        written = []
        if kind is not CHOICE:
            written = self.driver.write(self.driver.read([self.letters[best], self.because]), RATIONALE_TOKENS)
        return {
            **said,
            "answer": LETTERS[best],
            "confidence": float(1 / np.exp(four - four[best]).sum()),
            "tokens_out": 1 + len(written),
            "written": written,
        }


def digest(tokens: Sequence[int]) -> str:
    """Names a prompt by its tokens."""
    return hashlib.sha256(np.array(tokens, np.int32).tobytes()).hexdigest()[:16]


def main() -> None:
    name, model, threads = sys.argv[1:]
    start = time.perf_counter()
    asked = Asked(DRIVERS[name](Path(model), int(threads)))
    loaded = {"load_s": time.perf_counter() - start, "version": importlib.metadata.version(asked.driver.package)}
    for line in sys.stdin:
        question = json.loads(line)
        start = time.perf_counter()
        said = asked.answer(question["kind"], question["question"])
        print(json.dumps({**said, **loaded, "inside_ms": (time.perf_counter() - start) * 1e3}), flush=True)


if __name__ == "__main__":
    main()
