"""Where in the inventory's files something stands: for messages only, values come from Ansible.

Ansible does not say which file it could not read, nor where a variable of hosts.yml is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

SUFFIXES = frozenset({".yml", ".yaml"})
# Stands for a host's own name among its variables.
NAME = "name"


def mistakes(folder: Path, files: Iterable[Path]) -> list[str]:
    """What is no YAML, or writes a key twice: file and line of each."""
    found = []
    for file in files:
        if file.suffix in SUFFIXES:
            place = shown(folder, file)
            found += [f"{place}{where}: {what}" for where, what in mistakes_in(file)]
    return found


def mistakes_in(file: Path) -> Iterator[tuple[str, str]]:
    try:
        yield from doubles(composed(file), set())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        yield f":{mark.line + 1}" if mark else "", f"is not YAML: {error.problem}"
    except (yaml.YAMLError, OSError, UnicodeError, RecursionError) as error:
        yield "", f"is not YAML: {' '.join(str(error).split())[:200]}"


def doubles(node: yaml.Node | None, seen: set[int]) -> Iterator[tuple[str, str]]:
    """Keys that stand twice in one mapping: the last one would count, silently."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from doubles(item, seen)
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = str(key.value)
            if name in first:
                yield f":{line}", f"{name} is written twice, in line {first[name]} too"
            first.setdefault(name, line)
            yield from doubles(value, seen)


def places(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """("host" or "group", its name, variable, place) of all that hosts.yml and the like hold."""
    for file in sorted(folder.iterdir()):
        if file.suffix not in SUFFIXES or not file.is_file():
            continue
        try:
            node = composed(file)
        except (yaml.YAMLError, OSError, UnicodeError, RecursionError):
            # A script, or encrypted: Ansible has read what is to be read.
            continue
        for kind, name, key, line in group_places(node):
            yield kind, name, key, f"{shown(folder, file)}:{line}"


def group_places(node: yaml.Node | None) -> Iterator[tuple[str, str, str, int]]:
    """`node` holds groups: by name at the top, below `children` further down."""
    for name, _, entry in pairs(node):
        for section, _, content in pairs(entry):
            if section == "children":
                yield from group_places(content)
            elif section == "vars":
                yield from (("group", name, key, line) for key, line, _ in pairs(content))
            elif section == "hosts":
                for host, line, variables in pairs(content):
                    yield "host", host, NAME, line
                    yield from (("host", host, key, at) for key, at, _ in pairs(variables))


def composed(file: Path) -> yaml.Node | None:
    node: yaml.Node | None = yaml.compose(file.read_text(), Loader=yaml.SafeLoader)
    return node


def pairs(node: yaml.Node | None) -> Iterator[tuple[str, int, yaml.Node]]:
    """Key, line and value of each entry; none when it is no mapping."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), key.start_mark.line + 1, value


def shown(folder: Path, file: Path) -> Path:
    """Where `file` is to be corrected: for what environments share, where the link leads."""
    inventories = folder.parent.resolve()
    real = file.resolve()
    if not real.is_relative_to(inventories):
        real = inventories / folder.name / file.relative_to(folder)
    return Path("inventory") / real.relative_to(inventories)


def links_to_nothing(folder: Path) -> list[Path]:
    """Ansible passes over them without a word."""
    links = sorted(path for path in folder.rglob("*") if path.is_symlink() and not path.exists())
    return [Path("inventory") / link.relative_to(folder.parent) for link in links]
