"""Paths, and the programs of ansible/ made importable: they are scripts, not a package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import ansible.module_utils

ROOT = Path(__file__).parents[2]
for folder in ("ansible/library", "ansible/lookup_plugins"):
    sys.path.insert(0, str(ROOT / folder))
# As Ansible does it: what modules share is found below ansible.module_utils.
ansible.module_utils.__path__.append(str(ROOT / "ansible/module_utils"))


class _Loader(yaml.SafeLoader):
    """Also reads files that ansible-vault encrypted in part, as their cipher text."""


def _any_tag(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_multi_constructor("!", _any_tag)


def load(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a SafeLoader's child)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
