"""Where an environment's things lie: the one door to folders, for provision, rollout and tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAB = "lab"


def known(*, root: Path = ROOT) -> list[str]:
    """The environments, by their folders in inventory/."""
    return sorted(path.parent.name for path in root.glob("inventory/*/hosts.yml"))


def state_folder(
    environment: str, *, root: Path = ROOT, variables: Mapping[str, str] = os.environ
) -> Path:
    """What stays on this machine: the lab's folder, or ~/.config/ctlv/ENV. It may not exist yet."""
    if environment == LAB:
        return Path(variables.get("CTLV_LAB_STATE") or root / ".lab").absolute()
    return home(variables) / ".config/ctlv" / environment


def home(variables: Mapping[str, str] = os.environ) -> Path:
    return Path(variables["HOME"]) if variables.get("HOME") else Path.home()
