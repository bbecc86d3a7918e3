"""The list of recipes. To add a student: its `Recipe` and its card; a task of it: a module with its `TASK` in
`teachers`. Holds nothing else.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from .recipe import Plan, Recipe, Sizes
from .teachers import symbolic_tasks, toy
from .teachers.machine_failure import task as machine_failure
from .teachers.process_control import task as process_control
from .teachers.sensor_modes import task as sensor_modes
from .teachers.word_problems import task as word_problems

_HERE = Path(__file__).parent

_SHARES = (
    (machine_failure.TASK, 0.22),
    (process_control.TASK, 0.18),
    (sensor_modes.TASK, 0.18),
    (symbolic_tasks.COIN_FLIP, 0.04),
    (symbolic_tasks.LAST_LETTERS, 0.06),
    (symbolic_tasks.SHUFFLED_OBJECTS, 0.10),
    (symbolic_tasks.DATES, 0.08),
    (word_problems.TASK, 0.14),
)
# Of each group: near a limit 1,000 thoughts prove .75%, of which two may be wrong; elsewhere 4,000 first answers prove
# .2%, so that of 1,200 hardly one is wrong, and the thoughts of those in doubt .75%. It takes twelve minutes of two
# cores.
_EXACT = Sizes(
    risk=0.0075, first_risk=0.002, calibration=6000, calibration_max=6000, unsure=1500, test=600, explained=60
)
_CHARTS = Sizes(calibration=6000, calibration_max=6000, unsure=240, test=300, explained=60)  # of each group
_SOME = Sizes(
    calibration=12_000, calibration_max=16_000
)  # of those who know well what they do not know fewer are enough
_FEW = Sizes(calibration=4500, calibration_max=6000, unsure=600)  # of the tasks that no machine waits for

SHOP_FLOOR = Recipe(
    "shop-floor",
    version="1.0.0",
    serial=3,
    card=_HERE / "shop_floor.md",
    tasks=tuple(task for task, _ in _SHARES),
    shares=tuple(share for _, share in _SHARES),
    plan=Plan(
        layers=8,
        width=320,
        hidden=864,
        steps=10_000,
        max_len=512,
        vocabulary=2560,
        first_tokens=30_000,
        whole_tokens=22_000,
        reread_tokens=9000,
        read_tokens=61_000,
        read_steps_max=300,
        warmup_steps=200,
        decay_share=0.5,
        checkpoint_every=1000,
        dev_pairs=1600,
        vocabulary_pairs=24_000,
    ),
    own_sizes={
        machine_failure.TASK.id: _EXACT,
        process_control.TASK.id: _CHARTS,
        sensor_modes.TASK.id: _SOME,
        **{task.id: _FEW for task in (*symbolic_tasks.TASKS, word_problems.TASK)},
    },
)

# What a study can start from: it reads and repeats, and has seen no answer.
READER = dataclasses.replace(
    SHOP_FLOOR,
    id="reader",
    shipped=False,
    plan=Plan(
        steps=1500,
        read_steps_max=1500,
        read_goal=1.0,
        read_tokens=32_000,
        max_len=512,
        vocabulary=2560,
        warmup_steps=100,
        decay_share=0.5,
        checkpoint_every=100,
        vocabulary_pairs=24_000,
    ),
)

# Small enough to be distilled within a minute, for tests; never shipped.
_TOY_SIZES = Sizes(gate=200, calibration=2700, calibration_max=5000, unsure=300, test=300, explained=60)

TOY = Recipe(
    "toy",
    version="0.0.1",
    serial=1,
    tasks=(toy.TASK, toy.DIGITS),
    shares=(0.7, 0.3),
    card=_HERE / "toy.md",
    shipped=False,
    plan=Plan(
        steps=300,
        layers=2,
        width=64,
        hidden=128,
        warmup_steps=20,
        checkpoint_every=50,
        first_tokens=1600,
        whole_tokens=1300,
        reread_tokens=1400,
        read_tokens=1000,
        read_steps_max=10,
        dev_pairs=200,
        vocabulary_pairs=500,
        compiled=False,
    ),
    sizes=_TOY_SIZES,
    own_sizes={toy.DIGITS.id: dataclasses.replace(_TOY_SIZES, calibration=1500, calibration_max=1500)},
)

DEFAULT = SHOP_FLOOR  # the one that is shipped, with tasks taught further alone since (`retrain --task`)
RECIPES: dict[str, Recipe] = {recipe.id: recipe for recipe in (SHOP_FLOOR, READER, TOY)}
