"""`make drill-edge`: what people notice when an edge, or a host behind it, dies or is restarted.

One fault at a time, while eight people work at the published address, with a connection for each
request. A fault passes within the pause, the failures and the time to be back that its line allows,
when no database lacks an acknowledged write, all have the same rows, and the other edge holds the
addresses where that is wanted.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills import result
from tests.drills.cluster import Cluster, on, waited
from tests.drills.consent import add_arguments, ask
from tests.drills.faults import BEFORE_S, QUIET_S, columns, is_quiet, verdict
from tests.drills.load import Load, Outcome
from tests.drills.redeploy import person, rows_of_the_probe
from tests.infra.remote import Connections, RemoteError
from tests.infra.site import ROOT, Host, Site, read_site

HEAD = (
    "| fault | requests | people saw | last failure after | longest pause | acknowledged | lost "
    "| all back after |",
    "|---|---|---|---|---|---|---|---|",
)
RECOVERS_WITHIN_S = 60
STARTS_WITHIN_S = 120
RESTARTS_WITHIN_S = 180
SYNCS_WITHIN_S = 180
PROGRAM_WITHIN_S = 300
RELEASE = "$(basename /run/agenda/*/)"
# Nothing comes in and nothing goes out, until it ends by itself.
CUT_S = 30
CUT = (
    "nft 'table inet drill {"
    " chain i { type filter hook input priority -300; iifname lo accept; drop; };"
    " chain o { type filter hook output priority -300; oifname lo accept; drop; }; }'"
)
# What the isolated one answers to a write and to a question: that it is none to ask (1047).
CUT_SAID = "/run/drill-cut"
CUT_ASKED = ("DELETE FROM session WHERE session_key = ''", "SELECT COUNT(*) FROM task")
ASKED = "; ".join(f'timeout 9 mariadb agenda -e "{sql}"' for sql in CUT_ASKED)
CUT_OFF = f"""cat >/run/drill-cut.sh <<'END'
sleep 1; {CUT}; sleep {CUT_S // 3}
({ASKED}) >{CUT_SAID} 2>&1
sleep {CUT_S - CUT_S // 3}; nft delete table inet drill
END
systemd-run --quiet sh /run/drill-cut.sh"""
# As much as a site of some years has; each write small beside what members keep (gcache.size).
FILL_MB = 300
FILLED = f"""mariadb -e 'CREATE SCHEMA drill; CREATE TABLE drill.x (i INT PRIMARY KEY, x LONGBLOB)'
for i in $(seq {FILL_MB * 4}); do
echo "INSERT INTO drill.x VALUES ($i, REPEAT(RANDOM_BYTES(1024), 256));"
done | mariadb"""  # noqa: S608 - numbers
CLEARED = "mariadb -e 'DROP SCHEMA drill'"
# Before it ends: afterwards systemd starts it again at once.
EMPTIED = "find /var/lib/mysql -mindepth 1 -delete; systemctl kill --signal=KILL mariadb"


def nothing(_cluster: Cluster, _host: Host) -> None:
    """Of a fault that needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to the edge that holds the addresses, to the database that takes writes, or to a
    web host; and undone after.
    """

    group: str = "edge"
    # Before anybody works.
    prepare: Callable[[Cluster, Host], None] = nothing
    inject: Callable[[Cluster, Host], None]
    undo: Callable[[Cluster, Host], None] = nothing
    clear: Callable[[Cluster, Host], None] = nothing
    pause_s: float
    # Requests that may fail: those under way, of what cannot be asked again.
    failed: float = 0
    # Seconds from the fault until all is as before.
    back_s: float = math.inf
    hands_over: bool = False
    # What else was wrong, asked when all is as before.
    unproved: Callable[[Cluster, Host], str] = lambda _cluster, _host: ""


def holder(site: Site) -> Host:
    """The edge that holds the published addresses. Raises OperatorError unless there is one."""
    address = site.published["web"]
    asked = ["ip", "-o", "-4", "address", "show", "to", address]
    found = [edge for edge in site.of("edge") if on(site, edge, asked).strip()]
    if len(found) != 1:
        raise OperatorError(
            f"{address} is held by {len(found)} edges",
            "run `make verify`; see `make logs HOST=edge`",
        )
    return found[0]


def writer(site: Site) -> Host:
    """The database that people's connections lead to."""

    def sessions(host: Host) -> int:
        told = json.loads(on(site, host, ["ctlv-galera", "state"]) or "{}")
        return int(told.get("sessions", 0))

    return max(site.of("database"), key=sessions)


def are_synced(cluster: Cluster, _host: Host) -> None:
    def all_are() -> bool:
        hosts = cluster.site.of("database")
        told = [json.loads(on(cluster.site, h, ["ctlv-galera", "state"]) or "{}") for h in hosts]
        return all(one.get("synced") and one.get("members") == len(hosts) for one in told)

    waited(all_are, what="all databases to be synced", limit_s=SYNCS_WITHIN_S)


def isolated_answered(cluster: Cluster, host: Host) -> str:
    said = on(cluster.site, host, ["cat", CUT_SAID])
    refused = said.count("ERROR 1047") == len(CUT_ASKED)
    return "" if refused else f"{host.name}, cut off, did not refuse: {' '.join(said.split())}"


def does(script: str) -> Callable[[Cluster, Host], None]:
    return lambda cluster, host: print(on(cluster.site, host, ["sh", "-c", script]), end="")


def each(script: str, *groups: str) -> Callable[[Cluster, Host], None]:
    """On all hosts of the groups, one after the other, or on the one. Raises RemoteError."""

    def inject(cluster: Cluster, one: Host) -> None:
        connections = Connections(cluster.site)
        try:
            for host in [host for group in groups for host in cluster.site.of(group)] or [one]:
                place = connections.place(host.name)
                place.run(["sh", "-c", script], timeout_s=RESTARTS_WITHIN_S)
        finally:
            connections.close()

    return inject


def power_cut(cluster: Cluster, host: Host) -> None:
    """No process is told."""
    cluster.check_mark(host)
    path = f"nodes/{cluster.node_of(host)}/lxc/{host.vmid}/status/stop"
    cluster.api.wait_for_task(cluster.api.post(path))


def power_on(cluster: Cluster, host: Host) -> None:
    cluster.start(host)
    runs(cluster, host)


def runs(cluster: Cluster, host: Host) -> None:
    waited(
        lambda: "running" in on(cluster.site, host, ["systemctl", "is-system-running"]),
        what=f"{host.name} to run again",
        limit_s=STARTS_WITHIN_S,
    )


def all_power_cut(cluster: Cluster, _host: Host) -> None:
    hosts = cluster.site.of("database")
    for host in hosts:
        power_cut(cluster, host)
    for host in hosts:
        cluster.start(host)


def recovered(cluster: Cluster, one: Host) -> None:
    """All are cut off, all but one return, and take writes after one command."""
    others = [host for host in cluster.site.of("database") if host != one]
    for host in [*others, one]:
        power_cut(cluster, host)
    for host in others:
        power_on(cluster, host)
    began = time.monotonic()
    program("rollout.recover", "--env", cluster.site.environment)
    took_s = time.monotonic() - began
    print(f"  make recover: {took_s:.0f} s, with the member that joins", flush=True)


def returned(cluster: Cluster, host: Host) -> None:
    power_on(cluster, host)
    are_synced(cluster, host)


def program(*words: str) -> None:
    """One of ours, as make runs it. Raises CalledProcessError."""
    command = [sys.executable, "-m", *words]
    subprocess.run(command, cwd=ROOT, check=True, timeout=PROGRAM_WITHIN_S)


def node(verb: str, cluster: Cluster, host: Host) -> None:
    """Of all that runs on the database's node: an edge, a web and a REST host too."""
    program("lab", verb, host.node, "--state", str(cluster.site.state))


def node_is_back(cluster: Cluster, host: Host) -> None:
    """By itself: nobody starts a container."""
    node("node-up", cluster, host)
    for one in cluster.site.hosts:
        if one.node == host.node:
            runs(cluster, one)
    are_synced(cluster, host)


FAULTS = {
    "keepalived of the edge that holds stopped": Fault(
        inject=does("systemctl stop keepalived"),
        undo=does("systemctl start keepalived"),
        pause_s=1.5,
        hands_over=True,
    ),
    "SIGKILL of its HAProxy": Fault(
        inject=does("systemctl kill --signal=KILL haproxy"), pause_s=1.0, failed=8
    ),
    "power cut of that edge, and back": Fault(
        inject=power_cut, undo=power_on, pause_s=3.0, failed=16, hands_over=True
    ),
    "SIGKILL of a web host's gunicorn": Fault(
        group="web", inject=does("systemctl kill --signal=KILL 'agenda@*.service'"),
        pause_s=1.5, failed=16,
    ),
    "SIGKILL of a web host's nginx": Fault(
        group="web", inject=does("systemctl kill --signal=KILL nginx"), pause_s=1.5, failed=8
    ),
    "power cut of a web host, and back": Fault(
        group="web", inject=power_cut, undo=power_on, pause_s=3.0, failed=8
    ),
    "nginx of all web and REST hosts restarted": Fault(
        group="web", inject=each("ctlv-drained nginx.service", "web", "rest"), pause_s=1.0
    ),
    "the release of all web and REST hosts restarted": Fault(
        group="web", inject=each(f"ctlv-drained agenda@{RELEASE}.service", "web", "rest"),
        pause_s=1.0,
    ),
    "HAProxy and keepalived of both edges restarted": Fault(
        inject=each("ctlv-edge-restart", "edge"), pause_s=1.0
    ),
}  # fmt: skip
# With three databases.
MEMBERS = {
    "SIGKILL of the database that takes writes": Fault(
        group="database", inject=does("systemctl kill --signal=KILL mariadb"), undo=are_synced,
        pause_s=4.0, failed=8, back_s=30,
    ),
    f"the database that takes writes cut off for {CUT_S} s": Fault(
        group="database", inject=does(CUT_OFF), undo=are_synced, pause_s=5.0, failed=8,
        back_s=CUT_S + 30, unproved=isolated_answered,
    ),
    f"the data of the database that takes writes destroyed, {FILL_MB} MB": Fault(
        group="database", prepare=each(FILLED), inject=does(EMPTIED), undo=are_synced,
        clear=does(CLEARED), pause_s=4.0, failed=8, back_s=30,
    ),
    f"the data of another database destroyed, {FILL_MB} MB": Fault(
        group="another", prepare=each(FILLED), inject=does(EMPTIED), undo=are_synced,
        clear=does(CLEARED), pause_s=2.5, back_s=30,
    ),
    "all databases restarted": Fault(
        group="database", inject=each("ctlv-galera restart 3", "database"), undo=are_synced,
        pause_s=1.0,
    ),
    # The cut and the start of three take their time: writes are to be back 15 s after it.
    "power cut of all databases, all return": Fault(
        group="database", inject=all_power_cut, undo=are_synced, pause_s=30.0, failed=math.inf
    ),
    "power cut of all databases, two return, `make recover`": Fault(
        group="database", inject=recovered, undo=returned, pause_s=60.0, failed=math.inf
    ),
}  # fmt: skip
# In the lab, whose nodes have a plug.
NODES = {
    "the whole node of the database that takes writes lost, and back": Fault(
        group="database", inject=partial(node, "node-down"), undo=node_is_back,
        pause_s=5.0, failed=16,
    ),
}  # fmt: skip


def hit(site: Site, fault: Fault) -> Host:
    if fault.group == "edge":
        return holder(site)
    if fault.group == "another":
        return next(host for host in site.of("database") if host != writer(site))
    return writer(site) if fault.group == "database" else site.of(fault.group)[-1]


def one(cluster: Cluster, fault: Fault, *, slack: float) -> tuple[list[str], list[str]]:
    """Columns of the table, and what was wrong."""
    site = cluster.site
    host = hit(site, fault)
    fault.prepare(cluster, host)
    with person(site) as account:
        with Load(site.url, account).at_new_connections() as load:
            time.sleep(BEFORE_S)
            began = time.monotonic()
            try:
                fault.inject(cluster, host)
                over = time.monotonic()
                waited(
                    lambda: is_quiet(load.outcome, since=over),
                    what="everybody to be answered again",
                    limit_s=RECOVERS_WITHIN_S,
                )
                handed_over = fault.hands_over and holder(site) == host
            finally:
                fault.undo(cluster, host)
            back_s = time.monotonic() - began
            time.sleep(QUIET_S)
        rows = [rows_of_the_probe(site, one) for one in site.of("database")]
        lost = load.outcome.acknowledged - set.intersection(*rows)
        fault.clear(cluster, host)
    wrong = verdict(load.outcome, len(lost)) + beyond(load.outcome, fault, slack=slack)
    wrong += [f"{host.name} holds the addresses still"] if handed_over else []
    wrong += ["databases have different rows"] if any(one != rows[0] for one in rows) else []
    wrong += [said] if (said := fault.unproved(cluster, host)) else []
    if back_s > fault.back_s * slack:
        wrong.append(f"all was back after {back_s:.0f} s, not {fault.back_s:.0f} s")
    found = columns(load.outcome, began, 0.0, len(lost))[1:]
    back = "" if fault.undo is nothing else f"{back_s:.0f} s"
    return [f"{load.outcome.requests}", *found, back], wrong


def beyond(outcome: Outcome, fault: Fault, *, slack: float) -> list[str]:
    """A GET is asked again elsewhere: none may fail but those that an edge took with it."""
    found = []
    if outcome.longest_pause_s > fault.pause_s * slack:
        found.append(f"nobody was answered for {outcome.longest_pause_s:.1f} s")
    if len(outcome.failures) > fault.failed * slack:
        found.append(f"{len(outcome.failures)} requests failed, of {fault.failed} that may")
    got = [kind for _, kind in outcome.failures if kind.startswith("GET")]
    if got and fault.group == "web":
        found.append(f"{len(got)} x {got[0]}")
    return found


def run(site: Site, faults: dict[str, Fault], *, slack: float) -> tuple[str, list[str]]:
    cluster = Cluster(site)
    rows, wrong = [*HEAD], []
    for name, fault in faults.items():
        found, bad = one(cluster, fault, slack=slack)
        rows.append(f"| {name} | {' | '.join(found)} |")
        wrong += [f"{name}: {line}" for line in bad]
        print(rows[-1], flush=True)
    return "\n".join(rows), wrong


def main() -> int:
    parser = Parser(prog="python -m tests.drills.edge", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--slack", type=float, default=1.0, help="a slow machine's pauses")
    parser.add("--only", make="ONLY", default="", help="faults whose name has these words")
    given = parser.parse()
    try:
        site = read_site(given.env)
        if not site.published:
            raise OperatorError(
                f"inventory/{given.env} has no host in the group edge", "see docs/edge.md"
            )
        ask(given, drill="drill-edge", what="kills edges, web hosts and databases")
        members = MEMBERS | (NODES if given.env == "lab" else {})
        faults = FAULTS | (members if len(site.of("database")) > 1 else {})
        faults = {name: fault for name, fault in faults.items() if given.only in name}
        table, wrong = run(site, faults, slack=given.slack)
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    kept = result.keep("edge", table, wrong=wrong, recorded=given.keep)
    return result.end("edge", given.env, kept, wrong=wrong, of=f"{len(faults)} faults")


if __name__ == "__main__":
    sys.exit(main())
