"""Where a training computes and how exactly: on a GPU where PyTorch finds one, else on the CPU; matrices in bfloat16
where that is faster.

Training alone comes here: graphs are written, and answers measured, on the CPU, whatever taught the student.
`CUDA_VISIBLE_DEVICES=` in the environment hides a GPU.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import platform
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeVar

import torch

CPUINFO = Path("/proc/cpuinfo")
# Of processors that multiply bfloat16 themselves, as Linux names it: x86-64 (AVX-512 or AMX) and ARM.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
AHEAD = 4  # steps that wait ready for each process that draws

T = TypeVar("T")


@cache
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def multiplies_bfloat16(device: torch.device) -> bool:
    """Does it itself? Where it must be imitated, it takes twenty times as long as float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(BFLOAT16_FLAGS & set(_cpuinfo("flags", "Features").split()))


def bfloat16(device: torch.device) -> AbstractContextManager:
    """Matrices are multiplied in bfloat16 inside, where the device can."""
    return torch.autocast(device.type, torch.bfloat16) if multiplies_bfloat16(device) else nullcontext()


def name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _cpuinfo("model name") or platform.machine()


def ahead(draw: Callable[[int], T], steps: range, device: torch.device) -> Iterator[T]:
    """`draw` of every step, in order. Beside a GPU all other cores draw, since one cannot keep up; a CPU is itself what
    is waited for. `draw` is sent to the processes, so it must be one that can be pickled. What it returns is sent by
    its value: PyTorch would send a handle, an open file for each tensor."""
    processes = (os.cpu_count() or 1) - 1 if device.type == "cuda" else 0
    if not processes:
        yield from map(draw, steps)
        return
    sent = pickle.dumps(draw)
    # Forked processes need not import PyTorch again; its threads do not survive that, and none is needed.
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, fork, torch.set_num_threads, (1,)) as pool:
        waiting: deque[Future[bytes]] = deque()
        for step in steps:
            waiting.append(pool.submit(_draw, sent, step))
            if len(waiting) > AHEAD * processes:
                yield pickle.loads(waiting.popleft().result())
        while waiting:
            yield pickle.loads(waiting.popleft().result())


def _draw(sent: bytes, step: int) -> bytes:
    return pickle.dumps(_received(sent)(step))


@lru_cache(maxsize=1)  # each process draws many steps
def _received(sent: bytes) -> Callable[[int], object]:
    return pickle.loads(sent)


def _cpuinfo(*names: str) -> str:
    """What the first processor says under one of these names."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() in names), "")
