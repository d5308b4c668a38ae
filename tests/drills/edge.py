"""`make drill-edge`: what people notice when an edge, or a host behind it, dies or is restarted.

One fault at a time, while eight people work at the published address, with a connection for each
request. A fault passes within the pause and the failures that its line allows, when no acknowledged
write is lost, and when the other edge holds the addresses where that is wanted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills import result
from tests.drills.cluster import Cluster, on, waited
from tests.drills.consent import add_arguments, ask
from tests.drills.faults import BEFORE_S, QUIET_S, columns, is_quiet, verdict
from tests.drills.load import Load, Outcome
from tests.drills.redeploy import person, rows_of_the_probe
from tests.infra.remote import Connections, RemoteError
from tests.infra.site import Host, Site, read_site

HEAD = (
    "| fault | requests | people saw | last failure after | longest pause | acknowledged | lost |",
    "|---|---|---|---|---|---|---|",
)
RECOVERS_WITHIN_S = 60
STARTS_WITHIN_S = 120
RESTARTS_WITHIN_S = 180
SYNCS_WITHIN_S = 180
RELEASE = "$(basename /run/agenda/*/)"
# Nothing comes in and nothing goes out, until it ends by itself.
CUT_S = 30
CUT = (
    "nft 'table inet drill {"
    " chain i { type filter hook input priority -300; iifname lo accept; drop; };"
    " chain o { type filter hook output priority -300; oifname lo accept; drop; }; }'"
)
CUT_OFF = f'systemd-run --quiet sh -c "sleep 1; {CUT}; sleep {CUT_S}; nft delete table inet drill"'
EMPTIED = "systemctl kill --signal=KILL mariadb; find /var/lib/mysql -mindepth 1 -delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to the edge that holds the addresses, to the database that takes writes, or to a
    web host; and undone after.
    """

    group: str = "edge"
    inject: Callable[[Cluster, Host], None]
    undo: Callable[[Cluster, Host], None] = lambda _cluster, _host: None
    pause_s: float
    # Requests that may fail: those under way, of what cannot be asked again.
    failed: int = 0
    hands_over: bool = False


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

    took_s = waited(all_are, what="all databases to be synced", limit_s=SYNCS_WITHIN_S)
    print(f"  all synced {took_s:.0f} s later", flush=True)


def does(script: str) -> Callable[[Cluster, Host], None]:
    return lambda cluster, host: print(on(cluster.site, host, ["sh", "-c", script]), end="")


def each(script: str, *groups: str) -> Callable[[Cluster, Host], None]:
    """On all hosts of the groups, one after the other. Raises RemoteError."""

    def inject(cluster: Cluster, _host: Host) -> None:
        connections = Connections(cluster.site)
        try:
            for host in [host for group in groups for host in cluster.site.of(group)]:
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
    waited(
        lambda: "running" in on(cluster.site, host, ["systemctl", "is-system-running"]),
        what=f"{host.name} to run again",
        limit_s=STARTS_WITHIN_S,
    )


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
        pause_s=4.0, failed=8,
    ),
    f"the database that takes writes cut off for {CUT_S} s": Fault(
        group="database", inject=does(CUT_OFF), undo=are_synced, pause_s=5.0, failed=8
    ),
    "the data of the database that takes writes destroyed": Fault(
        group="database", inject=does(EMPTIED), undo=are_synced, pause_s=4.0, failed=8
    ),
    "all databases restarted": Fault(
        group="database", inject=each("ctlv-galera restart 3", "database"), undo=are_synced,
        pause_s=1.0,
    ),
}  # fmt: skip


def hit(site: Site, fault: Fault) -> Host:
    if fault.group == "edge":
        return holder(site)
    return writer(site) if fault.group == "database" else site.of(fault.group)[-1]


def one(cluster: Cluster, fault: Fault, *, slack: float) -> tuple[list[str], list[str]]:
    """Columns of the table, and what was wrong."""
    site = cluster.site
    host = hit(site, fault)
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
            time.sleep(QUIET_S)
        lost = load.outcome.acknowledged - rows_of_the_probe(site)
    wrong = verdict(load.outcome, len(lost)) + beyond(load.outcome, fault, slack=slack)
    wrong += [f"{host.name} holds the addresses still"] if handed_over else []
    found = columns(load.outcome, began, 0.0, len(lost))[1:]
    return [f"{load.outcome.requests}", *found], wrong


def beyond(outcome: Outcome, fault: Fault, *, slack: float) -> list[str]:
    """A GET is asked again elsewhere: none may fail but those that an edge took with it."""
    found = []
    if outcome.longest_pause_s > fault.pause_s * slack:
        found.append(f"nobody was answered for {outcome.longest_pause_s:.1f} s")
    if len(outcome.failures) > fault.failed:
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
        faults = FAULTS | (MEMBERS if len(site.of("database")) > 1 else {})
        faults = {name: fault for name, fault in faults.items() if given.only in name}
        table, wrong = run(site, faults, slack=given.slack)
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    kept = result.keep("edge", table, wrong=wrong, recorded=given.keep)
    return result.end("edge", given.env, kept, wrong=wrong, of=f"{len(faults)} faults")


if __name__ == "__main__":
    sys.exit(main())
