"""`make recover`: three databases of which none takes writes.

    python -m rollout.recover --env ENV [--confirm NAME,NAME]

Fails closed: without two of three that know a position, and where one that does not answer may have
gone on alone, it refuses unless CONFIRM names whoever is given up. What each member has is said by
its own program, ctlv-galera (role galera).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from provision.arguments import Parser
from provision.errors import OperatorError, failing_as
from rollout.reach import Hosts

GALERA = "ctlv-galera"
NULL = "00000000-0000-0000-0000-000000000000"
# A member that was away for long brings all rows with it.
STARTS_S = 960
STOPS_S = 150
NOT_FOUND = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What one has on disk. `seqno`: number of its last write; -1 where it knows none."""

    name: str
    uuid: str = NULL
    seqno: int = -1
    # It ended in good order, while the others went on: what they wrote since it does not have.
    has_left: bool = False

    @property
    def knows(self) -> bool:
        return self.uuid != NULL and self.seqno >= 0


def check_majority(
    names: Sequence[str], members: Sequence[Member], given_up: Sequence[str]
) -> None:
    """Pure. `members`: those that answer. Raises OperatorError where rows could be lost unsaid."""
    sure = [member.name for member in members if member.knows]
    unsure = [name for name in names if name not in sure]
    silent = [name for name in names if name not in {member.name for member in members}]
    left = [member.name for member in members if member.has_left]
    if strange := sorted(set(given_up) - set(names)):
        raise OperatorError(
            f"CONFIRM names {', '.join(strange)}, which is no database host",
            f"name some of {', '.join(names)}, or leave CONFIRM out",
        )
    if len(sure) * 2 <= len(names) and not set(unsure) <= set(given_up):
        raise OperatorError(
            f"only {', '.join(sure) or 'none'} of {len(names)} knows a position; "
            f"what {' and '.join(unsure)} alone wrote would be lost",
            f"bring one of them back; if that is lost, add CONFIRM={','.join(unsure)}",
        )
    if silent and left and not set(silent) <= set(given_up):
        raise OperatorError(
            f"{', '.join(left)} ended in good order, and {', '.join(silent)} does not answer: "
            "it may have gone on alone",
            f"bring it back; if what it wrote since is given up, add CONFIRM={','.join(silent)}",
        )


def most_advanced(members: Sequence[Member]) -> Member:
    """Pure. Of one history the longest; the first of the inventory among equals."""
    knowing = [member for member in members if member.knows]
    if len({member.uuid for member in knowing}) > 1:
        said = ", ".join(f"{m.name} at {m.uuid}:{m.seqno}" for m in knowing)
        raise OperatorError(
            f"they are of different histories: {said}",
            "destroy the containers whose rows are not the site's (make destroy NAMES=…)",
        )
    if not knowing:
        raise OperatorError(
            "none of them knows a position",
            "make the containers anew (make destroy NAMES=…, make up), then make restore",
        )
    return max(knowing, key=lambda member: member.seqno)


class Recovery:
    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self.names = hosts.of("database")

    def each(self, names: Sequence[str], verb: str, timeout_s: float) -> dict[str, str]:
        """What `ctlv-galera VERB` says on each of `names`; nothing of one that does not answer."""

        def ask(name: str) -> str:
            try:
                said = self.hosts.run(name, GALERA, verb, check=False, timeout_s=timeout_s)
            except OperatorError:
                return ""
            return said.stdout.strip() if said.returncode == 0 else ""

        with ThreadPoolExecutor(max_workers=len(self.names)) as pool:
            told = dict(zip(names, pool.map(ask, names), strict=True))
        return {name: text for name, text in told.items() if text}

    def states(self) -> dict[str, Mapping[str, Any]]:
        return {n: json.loads(text) for n, text in self.each(self.names, "state", 60).items()}

    def is_needed(self) -> bool:
        """Some were members, and none that answers takes writes."""
        states = self.states().values()
        were = any(told["uuid"] != NULL or told["mark"] == "member" for told in states)
        return were and not any(told["primary"] for told in states)

    def run(self, given_up: Sequence[str]) -> str:
        began = time.monotonic()
        states = self.states()
        if going := [name for name, told in states.items() if told["primary"]]:
            away = [name for name, told in states.items() if not told["synced"]]
            joined = self._join(away)
            return f"{', '.join(going)} went on; {joined or 'nobody else was to be brought in'}"
        # Before anything is touched; positions are not known yet, so whoever answers may know one.
        perhaps = [
            Member(name=n, uuid=told["uuid"], seqno=0, has_left=told["left"])
            for n, told in states.items()
        ]
        check_majority(self.names, perhaps, given_up)
        self.each(list(states), "kill", STOPS_S)
        members = [
            Member(name=name, uuid=uuid, seqno=int(seqno), has_left=states[name]["left"])
            for name, text in self.each(list(states), "position", STARTS_S).items()
            for uuid, _, seqno in [text.partition(":")]
        ]
        check_majority(self.names, members, given_up)
        best = most_advanced(members)
        print(f"{best.name} has the last write, number {best.seqno}", flush=True)
        self.hosts.run(best.name, GALERA, "first", timeout_s=STARTS_S)
        writes_s = time.monotonic() - began
        print(f"{best.name} takes writes again after {writes_s:.1f} s", flush=True)
        joined = self._join([name for name in states if name != best.name])
        silent = [name for name in self.names if name not in states]
        lost = "lost: nothing that was on the disk of those that answered"
        if silent:
            lost += f"; what {' and '.join(silent)} alone had is given up, and overwritten there"
        return f"writes after {writes_s:.1f} s; {joined}; {lost}"

    def _join(self, names: Sequence[str]) -> str:
        """One after the other: each takes from a member that serves nobody, where there is one."""
        said = []
        for name in names:
            told = self.hosts.run(name, GALERA, "join", check=False, timeout_s=STARTS_S)
            if told.returncode != 0:
                raise OperatorError(
                    f"{name} does not join: {told.stderr.strip()[-300:]}",
                    f"see `make logs HOST={name}`, then run `make recover` again",
                )
            said.append(f"{name} {told.stdout.strip()}")
            print(said[-1], flush=True)
        return ", ".join(said)


def quiet_member(hosts: Hosts) -> str:
    """The one database; of three a synced one, and of those the one that people use least."""
    names = hosts.of("database")
    if len(names) <= 1:
        return hosts.first("database")
    states = Recovery(hosts).states()
    synced = [name for name in names if name in states and states[name]["synced"]]
    if not synced:
        raise OperatorError(
            f"none of {', '.join(names)} is synced with the others", "run `make recover`"
        )
    return min(synced, key=lambda name: int(states[name]["sessions"]))


def if_needed(environment: str) -> None:
    """For `make deploy`: nothing where one takes writes, or where none was ever a member."""
    with Hosts(environment) as hosts:
        recovery = Recovery(hosts)
        if recovery.is_needed():
            print(f"no database takes writes; recover {environment}:", flush=True)
            print(f"recover {environment}: {recovery.run(())}", flush=True)


def main() -> None:
    parser = Parser(
        prog="python -m rollout.recover",
        description="Three databases of which none takes writes.",
        next_step="make recover; CONFIRM=names of the hosts that are given up",
    )
    parser.add_environment(default="lab")
    parser.add("--confirm", make="CONFIRM", default="", help="hosts whose own writes are given up")
    asked = parser.parse()
    with failing_as(f"recover {asked.env}"), Hosts(asked.env) as hosts:
        recovery = Recovery(hosts)
        if len(recovery.names) == 1:
            said = "there is one database, which needs no other"
        else:
            said = recovery.run(asked.confirm.replace(",", " ").split())
        print(f"recover {asked.env}: {said}")


if __name__ == "__main__":
    main()
