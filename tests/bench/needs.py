"""From accounts to containers: the model of docs/scale.md, fed with the figures of docs/bench.md.

Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

# The model: of all accounts a fifth comes on a day, each opens twenty pages and adds or changes ten
# tasks; the busiest hour has four times its share; one page in twenty accounts is open then.
ACTIVE, PAGES_A_DAY, WRITES_A_DAY, PEAK = 0.2, 20, 10, 4
OPEN_PAGES = 0.05
POLL_S, ANNOUNCEMENT_S = 30, 60
LISTENING = 0.2
"""Of open pages, those that announce deadlines."""
PROGRAMS = 0.1
"""Requests to the REST server beside pages."""
DAY_S = 86_400
# So much of a core is planned with: what is left are bursts, a host that is away, and the purge.
PLANNED = 0.6
KINDS = ("page", "poll", "announcement", "write", "REST GET", "REST POST")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Milliseconds of a core that one request takes, of the server and of its database."""

    serving_ms: float
    database_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Cores at the busiest hour, as measured; and containers of one core, planned with."""

    web: float
    rest: float
    database: float

    def containers(self) -> dict[str, int]:
        planned = {"web": self.web, "rest": self.rest}
        return {name: max(2, math.ceil(cores / PLANNED)) for name, cores in planned.items()}


def rates(accounts: int) -> dict[str, float]:
    """Requests a second of each kind at the busiest hour."""
    a_second = accounts * ACTIVE * PEAK / DAY_S
    open_pages = accounts * OPEN_PAGES
    return {
        "page": a_second * PAGES_A_DAY,
        "poll": open_pages / POLL_S,
        "announcement": open_pages * LISTENING / ANNOUNCEMENT_S,
        "write": a_second * WRITES_A_DAY,
        "REST GET": a_second * PAGES_A_DAY * PROGRAMS,
        "REST POST": a_second * WRITES_A_DAY * PROGRAMS,
    }


def needs(accounts: int, costs: Mapping[str, Cost]) -> Needs:
    asked = rates(accounts)
    serving = {kind: asked[kind] * costs[kind].serving_ms / 1000 for kind in KINDS}
    rest = sum(cores for kind, cores in serving.items() if kind.startswith("REST"))
    return Needs(
        web=sum(serving.values()) - rest,
        rest=rest,
        database=sum(asked[kind] * costs[kind].database_ms / 1000 for kind in KINDS),
    )


def kept_costs(page: str) -> dict[str, Cost]:
    """From the table of docs/bench.md. Raises KeyError when a kind is missing."""
    found = {
        kind: Cost(serving_ms=float(serving), database_ms=float(database))
        for kind, serving, database in re.findall(
            r"^\| ([\w ]+), CPU a request \| ([\d.]+) ms \| ([\d.]+) ms \|", page, re.MULTILINE
        )
    }
    return {kind: found[kind] for kind in KINDS}
