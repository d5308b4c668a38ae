"""`make drill-faults`: what people notice when something dies, fills up or is cut off.

One fault at a time, while eight people work: each fault ends by itself, even when this program is
killed. A fault passes when everybody works again within its limit, and every acknowledged write is
in the database.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills import result
from tests.drills.clock import Clock, of_our_own
from tests.drills.cluster import Cluster, waited
from tests.drills.consent import add_arguments, ask
from tests.drills.load import DEADLINE_IN, Load, Outcome
from tests.drills.redeploy import person, rows_of_the_probe
from tests.infra.evidence import DATABASE
from tests.infra.remote import Connections, RemoteError
from tests.infra.site import Host, Site, read_site

BEFORE_S = 3.0
# As long without a failure means that it is over.
QUIET_S = 5.0
# How recent an answer must be; a busy machine takes its time.
ANSWERED_S = 3.0
FULL_S = 30
NOTES = "x" * 9000
CUT_S = 30
BEGINS_WITHIN_S = 60
# Three purges at least.
AHEAD_S = 35


@dataclass(frozen=True, slots=True)
class Fault:
    """`inject` returns the seconds for which the fault itself lasts. `around` prepares it, before
    anybody works, and clears up; `unproved` says why it was none.
    """

    inject: Callable[[Cluster], float]
    well_within_s: float
    due_in: tuple[timedelta, ...] = (DEADLINE_IN,)
    notes: str = ""
    around: Callable[[Site], AbstractContextManager[object]] = nullcontext
    unproved: Callable[[Cluster], str] = lambda _cluster: ""


def on(cluster: Cluster, group: str, script: str) -> None:
    """Run it on the first host of a group, over a connection that may die with the host."""
    connections = Connections(cluster.site)
    try:
        connections.place(first(cluster.site, group).name).run(["sh", "-c", script], timeout_s=60)
    finally:
        connections.close()


def first(site: Site, group: str) -> Host:
    return site.of(group)[0]


def killed(
    group: str, unit: str, *, signal: str = "KILL", whom: str = "all"
) -> Callable[[Cluster], float]:
    def inject(cluster: Cluster) -> float:
        on(cluster, group, f"systemctl kill --kill-whom={whom} --signal={signal} '{unit}'")
        return 0.0

    return inject


def powered_off(group: str) -> Callable[[Cluster], float]:
    """As `lxc-stop -k`: no process is told; then started again, as HA or a person would."""

    def inject(cluster: Cluster) -> float:
        host = first(cluster.site, group)
        cluster.check_mark(host)
        path = f"nodes/{cluster.node_of(host)}/lxc/{host.vmid}/status"
        began = time.monotonic()
        cluster.api.wait_for_task(cluster.api.post(f"{path}/stop"))
        cluster.api.wait_for_task(cluster.api.post(f"{path}/start"))
        return time.monotonic() - began

    return inject


def passing(
    group: str, begin: str, proof: str, end: str, lasts_s: int
) -> Callable[[Cluster], float]:
    """A fault that the host itself ends, whatever becomes of us. `proof`: it really is one."""

    def inject(cluster: Cluster) -> float:
        script = f"{begin}; {proof} && touch {PROVED}; sleep {lasts_s}; {end}; rm -f {PROVED}"
        on(cluster, group, f"rm -f {PROVED}; systemd-run --quiet {UNIT} sh -c '{script}'")
        waited(
            lambda: happened(cluster, group),
            what="the fault to happen at all",
            limit_s=BEGINS_WITHIN_S,
        )
        time.sleep(lasts_s)
        return float(lasts_s)

    return inject


def happened(cluster: Cluster, group: str) -> bool:
    try:
        on(cluster, group, f"test -e {PROVED}")
    except RemoteError:
        return False
    return True


# Not "ctlv-...": the sandbox of those units would forbid it all.
UNIT = "--unit=drill-fault --collect"
PROVED = "/run/drill-fault"
# The container's own disk, which the inventory bounds; without writing that much.
FILL = (
    "rm -f /var/drill-fill /var/drill-rest; "
    "fallocate -l $(($(df --output=avail -BM / | tail -n 1 | tr -d M) - 8))M /var/drill-fill; "
    "dd if=/dev/zero of=/var/drill-rest bs=4k 2>/dev/null"
)
# Else new rows find room enough where old ones were deleted, and nobody notices a full disk.
SHRINK = f'mariadb {DATABASE} -e "OPTIMIZE TABLE task"'
IS_FULL = "test $(df --output=avail -B1K / | tail -n 1) -lt 64"
EMPTY = "rm -f /var/drill-fill /var/drill-rest"
PRIVATE = '$(ip -o -4 address show | grep -w {address} | cut -d" " -f2)'


def full(group: str) -> Fault:
    """People write much meanwhile, so that the database really wants the room."""
    begin = f"{SHRINK}; {FILL}" if group == "database" else FILL
    return Fault(passing(group, begin, IS_FULL, EMPTY, FULL_S), 90, notes=NOTES)


def cut_off(cluster: Cluster) -> float:
    """The web container loses its leg in VLAN 2112, and with it the database."""
    leg = PRIVATE.format(address=first(cluster.site, "web").addresses["private"])
    cut = passing(
        "web",
        f"leg={leg}; ip link set $leg down",
        "ip link show $leg | grep -q DOWN",
        "ip link set $leg up",
        CUT_S,
    )
    return cut(cluster)


def ahead(cluster: Cluster) -> float:
    clock = Clock(cluster.site)
    try:
        clock.set_ahead(2 * 3600)
        time.sleep(AHEAD_S)
        clock.set_ahead(0)
    finally:
        clock.connections.close()
    return float(AHEAD_S)


def clock_was_right(cluster: Cluster) -> str:
    """Only the timer notices: tasks of the next two hours are still there because it did."""
    clock = Clock(cluster.site)
    try:
        said = clock.words_of("web", "agenda-expiry", since_s=AHEAD_S + 60)
    finally:
        clock.connections.close()
    return "" if "s ahead" in said else "the timer saw no wrong clock: nothing was proved"


FAULTS = {
    "SIGKILL of gunicorn": Fault(killed("web", "agenda@*.service"), 60),
    # It ends well, as when it is told to stop; only that nobody told systemd.
    "SIGTERM of gunicorn's master": Fault(
        killed("web", "agenda@*.service", signal="TERM", whom="main"), 60
    ),
    "SIGKILL of nginx": Fault(killed("web", "nginx.service"), 60),
    "SIGKILL of MariaDB": Fault(killed("database", "mariadb.service"), 90),
    "power cut of the web container": Fault(powered_off("web"), 120),
    "power cut of the database container": Fault(powered_off("database"), 120),
    f"disk of the web container full for {FULL_S} s": full("web"),
    f"disk of the database container full for {FULL_S} s": full("database"),
    f"{CUT_S} s without VLAN 2112": Fault(cut_off, 90),
    f"clock two hours ahead for {AHEAD_S} s": Fault(
        ahead,
        60,
        due_in=(DEADLINE_IN, timedelta(hours=1)),
        around=of_our_own,
        unproved=clock_was_right,
    ),
}


def is_quiet(outcome: Outcome, *, since: float) -> bool:
    """Somebody was answered lately, and nobody was refused for a while, counted from `since`."""
    now = time.monotonic()
    last = max((at for at, _ in outcome.failures), default=since)
    last = max(last, since)
    answered = max(outcome.answers_at, default=0.0)
    return now - last > QUIET_S and now - answered < ANSWERED_S


def one(cluster: Cluster, fault: Fault) -> tuple[list[str], list[str]]:
    """Columns of the table, and what was wrong."""
    site = cluster.site
    with fault.around(site), person(site) as account:
        with Load(site.url, account, due_in=fault.due_in, notes=fault.notes) as load:
            time.sleep(BEFORE_S)
            began = time.monotonic()
            lasts_s = fault.inject(cluster)
            over = time.monotonic()
            waited(
                lambda: is_quiet(load.outcome, since=over),
                what="everybody to be answered again",
                limit_s=fault.well_within_s + QUIET_S,
            )
        lost = load.outcome.acknowledged - rows_of_the_probe(site)
        none = fault.unproved(cluster)
    wrong = verdict(load.outcome, len(lost)) + ([none] if none else [])
    return columns(load.outcome, began, lasts_s, len(lost)), wrong


def columns(outcome: Outcome, began: float, lasts_s: float, lost: int) -> list[str]:
    kinds = Counter(kind for _, kind in outcome.failures)
    saw = "; ".join(f"{count} x {kind}" for kind, count in kinds.most_common(4)) or "nothing"
    last = max((at for at, _ in outcome.failures), default=began)
    trouble_s = max(last - began, 0.0)
    return [
        f"{lasts_s:.0f} s" if lasts_s else "at once",
        saw,
        f"{trouble_s:.1f} s",
        f"{outcome.longest_pause_s:.1f} s",
        f"{len(outcome.acknowledged)}",
        f"{lost}",
    ]


def verdict(outcome: Outcome, lost: int) -> list[str]:
    found = [f"{lost} acknowledged writes are lost"] if lost else []
    if not outcome.acknowledged:
        found.append("nobody wrote anything")
    return found


def run(site: Site, names: list[str]) -> tuple[str, list[str]]:
    cluster = Cluster(site)
    rows, wrong = [], []
    for name in names:
        try:
            found, bad = one(cluster, FAULTS[name])
        except (OperatorError, RemoteError) as error:
            found, bad = ["", "did not recover", "", "", "", ""], [str(error).splitlines()[0]]
        rows.append(f"| {name} | {' | '.join(found)} |")
        wrong += [f"{name}: {line}" for line in bad]
        print(rows[-1], flush=True)
    head = [
        "| fault | lasts | people saw | last failure after | longest pause | acknowledged | lost |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]), wrong


def some_fault(text: str) -> str:
    if not any(text in name for name in FAULTS):
        raise argparse.ArgumentTypeError(f"is '{text}', part of none of: {', '.join(FAULTS)}")
    return text


def main() -> int:
    parser = Parser(prog="python -m tests.drills.faults", description=__doc__)
    add_arguments(parser)
    parser.add(
        "--only",
        make="ONLY",
        type=some_fault,
        default="",
        help="words of a fault's name",
    )
    given = parser.parse()
    names = [name for name in FAULTS if given.only in name]
    try:
        ask(given, drill="drill-faults", what="kills, fills and cuts off every container")
        table, wrong = run(read_site(given.env), names)
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    kept = result.keep("faults", table, wrong=wrong, recorded=given.keep)
    return result.end("faults", given.env, kept, wrong=wrong, of=f"{len(names)} faults")


if __name__ == "__main__":
    sys.exit(main())
