"""Asks every system every question, in turn: of each question all systems are asked before the next, in an order drawn
anew, so that what the machine does meanwhile falls on all of them alike. Counts nothing and judges nothing.
"""

from __future__ import annotations

import itertools
import os
import platform
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from .questions import Kind
from .systems import TICK_S, System

SEED = 1


def measure(systems: Sequence[System], kinds: Sequence[Kind], count: int, warm_up: int) -> dict:
    """Raw samples: of each kind `count` questions that were asked, and what every system said to each. Before them
    `warm_up` others that count for nothing; the first of all is what a start is timed with."""
    before, load = _processor_s(), os.getloadavg()
    starts: dict[str, float] = {}
    rng = random.Random(SEED)
    found: dict[str, dict] = {}
    try:
        for kind in kinds:
            questions = list(itertools.islice(kind.questions(), warm_up + count))
            said: dict[str, list[dict]] = {system.name: [] for system in systems}
            for at, system in turns(systems, len(questions), rng, kind.title):
                start = time.perf_counter()
                system.start(kind)
                answer = system.ask(kind, questions[at])
                starts.setdefault(system.name, time.perf_counter() - start)
                if at >= warm_up:
                    said[system.name].append(asdict(answer))
            found[kind.name] = {"questions": questions[warm_up:], "said": said}
        own = time.process_time() + sum(process.cpu_s() for system in systems for process in system.processes.values())
        others = {name: after - before[name] for name, after in _processor_s().items()}
        whole = max(others["all"], TICK_S)  # a run may be shorter
        return {
            "machine": machine(),
            "load_average": {"before": load, "after": os.getloadavg()},
            # Of all cores' time, what went to other programs, and what the hypervisor took.
            "foreign_share": max(0.0, others["busy"] - own) / whole,
            "stolen_share": others["stolen"] / whole,
            "systems": {
                system.name: {
                    "settings": system.settings,
                    "version": system.version,
                    "start_s": starts[system.name],
                    "load_s": system.load_s,
                    **system.memory(),
                }
                for system in systems
            },
            "warm_up": warm_up,
            "kinds": found,
        }
    finally:
        for system in systems:
            system.close()


def turns(systems: Sequence[System], count: int, rng: random.Random, title: str = "") -> Iterator[tuple[int, System]]:
    """Who is asked which question, in the order of asking."""
    for at in tqdm(range(count), title, mininterval=1, unit="question"):
        for system in rng.sample(systems, len(systems)):
            yield at, system


def machine() -> dict:
    """What it is measured on."""
    cpu = Path("/proc/cpuinfo").read_text().splitlines()
    said = dict(line.replace("\t", "").split(":", 1) for line in cpu if ":" in line)
    flags = said.get("flags", said.get("Features", "")).split()
    known = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
    return {
        "cpu": said.get("model name", platform.machine()).strip(),
        "cores": os.cpu_count(),
        "features": [flag for flag in known if flag in flags],
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _processor_s() -> dict[str, float]:
    """Seconds of all cores since the machine started: those something ran in, those it was denied, and all."""
    user, nice, system, idle, waited, interrupts, soft, stolen = (
        int(field) * TICK_S for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    busy = user + nice + system + interrupts + soft
    return {"busy": busy, "stolen": stolen, "all": busy + stolen + idle + waited}
