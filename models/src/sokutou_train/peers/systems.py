"""Who is asked: sokutou and each peer, with the settings that are best for it, as processes that answer a line with a
line.

A process that is not asked is stopped, so that threads which still spin from its last answer take nothing from the next
system.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .questions import EXPLAINED, FREE, LETTERS, RATIONALE_TOKENS, Kind
from .weights import Files

OURS, REFERENCE = "sokutou int8", "transformers fp32"
CUT = (
    " […]"  # the end that sokutou gives to a rationale which the limit on its length cut: it wrote just so many tokens
)
QUIET = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")  # the kernel counts processor time in these


class SystemFailed(RuntimeError):
    """A system did not answer, or not what it was asked."""


@dataclass(frozen=True)
class Said:
    """An answer, and what it took."""

    ms: float  # from the question written to the answer read, by the asker's clock
    inside_ms: float  # by the system's own
    answer: str | None  # a letter, where one was asked for
    confidence: float | None  # its probability among the four
    tokens_out: int
    tokens_in: int | None = None  # of the whole prompt; sokutou does not say
    tokens_read: int | None = None  # of them, those that no earlier question had left in the cache
    prompt: str | None = None  # digest of its tokens


class Process:
    """A program that answers each line with a line; stopped while it is not asked."""

    def __init__(self, name: str, command: Sequence[str], threads: int):
        self.name = name
        self.complaints = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            env=os.environ | QUIET | {"OMP_NUM_THREADS": str(threads)},
        )
        assert self.child.stdin and self.child.stdout
        self.asked, self.said = self.child.stdin, self.child.stdout

    def ask(self, line: dict) -> tuple[dict, float]:
        """What it says to one line, and the milliseconds that took."""
        text = json.dumps(line).encode() + b"\n"
        self.child.send_signal(signal.SIGCONT)
        start = time.perf_counter()
        try:
            self.asked.write(text)
            self.asked.flush()
            said = self.said.readline()
        except BrokenPipeError:
            said = b""
        took = (time.perf_counter() - start) * 1e3
        if not said:
            self.complaints.seek(0)
            complaint = self.complaints.read().decode(errors="replace").strip()
            raise SystemFailed(f"{self.name} ended instead of answering: {complaint[-1000:]}")
        self.child.send_signal(signal.SIGSTOP)
        return json.loads(said), took

    def memory(self) -> dict[str, int]:
        """Resident now and at most, in KiB."""
        lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        return {
            name: int(line.split()[1])
            for line in lines
            for field, name in (("VmRSS:", "rss_kib"), ("VmHWM:", "peak_rss_kib"))
            if line.startswith(field)
        }

    def cpu_s(self) -> float:
        """Processor time of all its threads so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def close(self) -> None:
        self.child.kill()  # a stopped process would never see the end of its input
        self.child.wait()
        for file in (self.asked, self.said, self.complaints):
            file.close()


class System(ABC):
    """What is measured."""

    def __init__(self, name: str, settings: str, model: Path):
        self.name, self.settings, self.model = name, settings, model
        self.version = ""  # known when it has answered
        self.load_s: float | None = None  # by its own clock, without the start of its process
        self.processes: dict[bool, Process] = {}

    def start(self, kind: Kind) -> None:
        """Starts what answers this kind, if it does not run yet."""
        if self.of(kind) not in self.processes:
            self.processes[self.of(kind)] = self.process(kind)

    def of(self, kind: Kind) -> bool:
        """Which of its processes answers this kind; most have one for all."""
        return False

    @abstractmethod
    def process(self, kind: Kind) -> Process: ...

    @abstractmethod
    def ask(self, kind: Kind, question: str) -> Said: ...

    def memory(self) -> dict[str, int]:
        """Of the process that answers without reasons, where it has two."""
        return self.processes[False].memory()

    def close(self) -> None:
        for process in self.processes.values():
            process.close()


class Sokutou(System):
    """The shipped program over its own command line. Whether it explains is said when it starts, so it is two
    processes."""

    def __init__(self, program: Path, bundle: Path):
        super().__init__(
            OURS,
            "dynamic int8, a scale a column; the whole prompt read for each question; 1 thread, as it ships",
            bundle,
        )
        self.program = program
        self.version = subprocess.run(
            [program, "--version"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.split()[-1]

    def of(self, kind: Kind) -> bool:
        return kind is EXPLAINED

    def process(self, kind: Kind) -> Process:
        command = [
            str(self.program),
            "ask",
            "--bundle",
            str(self.model),
            "--think",
            "never",
            "--threshold",
            "0",
            *(["--explain"] if kind is EXPLAINED else []),
            "--batch",
            "-",
        ]
        return Process(self.name, command, 1)

    def ask(self, kind: Kind, question: str) -> Said:
        said, took = self.processes[self.of(kind)].ask({"task": kind.task, "question": question})
        if "error" in said:
            raise SystemFailed(f"{self.name} refuses a question: {said['error']}")
        inside = said["time_to_answer_ms"]
        if kind is FREE:
            return Said(took, inside, None, None, said["tokens"])
        written = said["tokens"]
        if kind is EXPLAINED:
            inside += said["time_to_rationale_ms"]
            if not said["rationale"].endswith(CUT):
                raise SystemFailed(
                    f"{self.name}: expected a rationale of {RATIONALE_TOKENS} tokens, got a shorter one: "
                    f"{said['rationale']!r}"
                )
            written += RATIONALE_TOKENS
        return Said(took, inside, LETTERS[said["code"] - 1], said["confidence"], written)


class Peer(System):
    """A driver of `worker`."""

    def __init__(self, name: str, settings: str, driver: str, model: Path, threads: int):
        super().__init__(name, settings, model)
        self.driver, self.threads = driver, threads

    def process(self, kind: Kind) -> Process:
        command = [sys.executable, "-m", f"{__package__}.worker", self.driver, str(self.model), str(self.threads)]
        return Process(self.name, command, self.threads)

    def ask(self, kind: Kind, question: str) -> Said:
        said, took = self.processes[self.of(kind)].ask({"kind": kind.name, "question": question})
        self.version, self.load_s = said["version"], said["load_s"]
        return Said(
            took,
            said["inside_ms"],
            said["answer"],
            said["confidence"],
            said["tokens_out"],
            said["tokens_in"],
            said["tokens_read"],
            said["prompt"],
        )


def all_systems(program: Path, files: Files, threads: int) -> list[System]:
    """Ours first, then the peers."""
    kept = f"the shared beginning kept; {threads} threads"
    genai = f"{kept}; the head for the last token alone"
    peers = [
        ("llama.cpp Q4_1", f"as published; built for this CPU; {kept}", "llama-cpp", files.shipped),
        ("llama.cpp Q8_0", f"its own quantizer; built for this CPU; {kept}", "llama-cpp", files.q8),
        ("genai int4", f"its own builder, blocks of 32, int8 activations; {genai}", "genai", files.genai("int4")),
        ("genai int8", f"its own builder, blocks of 32, int8 activations; {genai}", "genai", files.genai("int8")),
        (
            "genai dynamic int8",
            f"its own fp32 graph, quantized as sokutou's; {genai}",
            "genai",
            files.genai("dynamic-int8"),
        ),
        (REFERENCE, f"eager, fp32; {kept}", "transformers", files.hugging_face),
        ("transformers int8", f"eager, PyTorch's dynamic int8; {kept}", "transformers-int8", files.hugging_face),
    ]
    return [Sokutou(program, files.bundle), *(Peer(*peer, threads) for peer in peers)]
