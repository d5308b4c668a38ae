"""`make drill-edge`: what people notice when an edge, or a host behind it, dies.

One fault at a time, while eight people work at the published address, with a connection for each
request. A fault passes within the pause and the failures that its line allows, when no acknowledged
write is lost, and when the other edge holds the addresses where that is wanted.
"""

from __future__ import annotations

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
from tests.infra.remote import RemoteError
from tests.infra.site import Host, Site, read_site

HEAD = (
    "| fault | requests | people saw | last failure after | longest pause | acknowledged | lost |",
    "|---|---|---|---|---|---|---|",
)
RECOVERS_WITHIN_S = 60
STARTS_WITHIN_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to the edge that holds the addresses, or to a web host; and undone after."""

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


def does(script: str) -> Callable[[Cluster, Host], None]:
    return lambda cluster, host: print(on(cluster.site, host, ["sh", "-c", script]), end="")


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
}  # fmt: skip


def one(cluster: Cluster, fault: Fault, *, slack: float) -> tuple[list[str], list[str]]:
    """Columns of the table, and what was wrong."""
    site = cluster.site
    host = holder(site) if fault.group == "edge" else site.of(fault.group)[-1]
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


def run(site: Site, *, slack: float) -> tuple[str, list[str]]:
    cluster = Cluster(site)
    rows, wrong = [*HEAD], []
    for name, fault in FAULTS.items():
        found, bad = one(cluster, fault, slack=slack)
        rows.append(f"| {name} | {' | '.join(found)} |")
        wrong += [f"{name}: {line}" for line in bad]
        print(rows[-1], flush=True)
    return "\n".join(rows), wrong


def main() -> int:
    parser = Parser(prog="python -m tests.drills.edge", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--slack", type=float, default=1.0, help="a slow machine's pauses")
    given = parser.parse()
    try:
        site = read_site(given.env)
        if not site.published:
            raise OperatorError(
                f"inventory/{given.env} has no host in the group edge", "see docs/edge.md"
            )
        ask(given, drill="drill-edge", what="kills edges and web hosts")
        table, wrong = run(site, slack=given.slack)
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    kept = result.keep("edge", table, wrong=wrong, recorded=given.keep)
    return result.end("edge", given.env, kept, wrong=wrong, of=f"{len(FAULTS)} faults")


if __name__ == "__main__":
    sys.exit(main())
