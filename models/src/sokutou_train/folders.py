"""Where files lie when no option says it: in the folders of the checkout that this package runs from, or, where it is
installed elsewhere, below the current directory.
"""

from __future__ import annotations

from pathlib import Path

_ABOVE = Path(__file__).resolve().parents[3]  # of models/src/sokutou_train/folders.py
CHECKOUT = _ABOVE if (_ABOVE / "models" / "src" / "sokutou_train").is_dir() else None
WORK = (CHECKOUT or Path()) / "target" / "workshop"  # holds a folder for each recipe
