"""Wire the pipeline together; the only module that prints, asks or exits.

inventory -> desired -> actual -> plan -> apply -> report
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from rich.live import Live
from rich.text import Text

from provision import doctor, report, savedplan, snapshot
from provision.actual import read
from provision.adopt import choose, console_lines, examine, mark_container
from provision.apply import Context, Options, apply
from provision.arguments import Parser, called_by_make, given, whole
from provision.creation import check_assumed, check_bridges, find_templates, wait_for_creations
from provision.credentials import Endpoint, Site, endpoint, site
from provision.desired import Desired, desired
from provision.destroy import destroy, left_alone, select
from provision.environment import LAB, ROOT
from provision.errors import InterruptionError, OperatorError
from provision.inventory import load
from provision.model import Action, Actual, Found, Plan
from provision.plan import check_destroy, check_ownership, plan, plan_one
from provision.progress import Progress
from provision.proxmox import Proxmox
from provision.rights import pveum_commands
from provision.ssh import SHOW_KEY, Ssh
from provision.wire import SSH_FINGERPRINT

NOTHING_TO_DO, FAILED, CHANGES_PENDING = 0, 1, 2  # as `terraform plan -detailed-exitcode`
DOCTOR_RETRY_S = 2.0
MOST_PARALLEL = 100


@dataclass
class Session:
    """One run: everything is read when it is first asked for, in the order of the pipeline."""

    arguments: argparse.Namespace
    stopping: threading.Event = field(default_factory=threading.Event)

    def sleep(self, seconds: float) -> None:
        """Every wait of every thread: Ctrl-C ends it."""
        if self.stopping.wait(seconds):
            raise InterruptionError(
                "interrupted", next_step="run the same command again, it goes on there"
            )

    @cached_property
    def site(self) -> Site:
        return site(self.arguments.env, root=ROOT)

    @cached_property
    def desired(self) -> Desired:
        return desired(load(self.arguments.env, root=ROOT))

    @cached_property
    def endpoint(self) -> Endpoint:
        return endpoint(self.desired, self.site)

    @cached_property
    def api(self) -> Proxmox:
        return Proxmox(self.endpoint, sleep=self.sleep, on_retry=tell)

    @cached_property
    def ssh(self) -> Ssh:
        return Ssh(site=self.site, desired=self.desired, sleep=self.sleep)

    def actual(self) -> Actual:
        all_fields = getattr(self.arguments, "all_fields", False)
        return read(self.api, self.desired, all_fields=all_fields)

    def plan(self) -> Plan:
        return plan(self.desired, self.actual(), reboot=getattr(self.arguments, "reboot", False))


# ---------------------------------------------------------------- verbs


def run_plan(session: Session) -> int:
    planned = session.plan()
    if session.arguments.out:
        save(session.arguments.out, savedplan.saved(planned, session.desired))
    if session.arguments.json:
        print_json(report.plan_data(planned, all_fields=session.arguments.all_fields))
    else:
        print(report.plan_text(planned, all_fields=session.arguments.all_fields))
    if planned.has_blocked:
        return FAILED
    return CHANGES_PENDING if planned.has_moves or planned.has_refusals else NOTHING_TO_DO


def save(file: Path, data: dict[str, Any]) -> None:
    try:
        file.write_text(json.dumps(data, indent=2, sort_keys=True))
    except OSError as error:
        raise OperatorError(
            f"the plan cannot be written to {file}: {error.strerror}",
            next_step="give --out a file in a folder that exists",
        ) from error


def run_drift(session: Session) -> int:
    """For a timer: silent differences are none, whatever kind they are of."""
    planned = session.plan()
    pending = any(found.pending for found in planned.matching)
    drifted = bool(planned.steps or planned.orphans or planned.ha or pending)
    if session.arguments.json:
        print_json({**report.plan_data(planned), "drifted": drifted})
    else:
        print(report.plan_text(planned))
        print("Drift: the containers differ from the inventory." if drifted else "No drift.")
    return CHANGES_PENDING if drifted else NOTHING_TO_DO


def run_apply(session: Session) -> int:
    arguments = session.arguments
    settings = Options(
        wait=arguments.wait,
        wait_timeout_s=arguments.wait_timeout,
        parallel=arguments.parallel,
        reboot=arguments.reboot,
    )
    saved = savedplan.load(arguments.file, environment=arguments.env) if arguments.file else None
    with Progress() as progress:
        planned = plan_for_apply(session, settings, progress)
    print(report.plan_text(planned))
    if saved is not None:
        savedplan.check(saved, planned, session.desired)
    if planned.has_moves:
        check_assumed(planned, session.desired)
        check_bridges(planned, session.api)
        if any(step.action is Action.CREATE for step in planned.steps):
            session.ssh.public_keys()
        if saved is None:
            existing = [step.before for step in planned.steps if step.moves and step.before]
            print("\n".join(["Of these exist:"] * bool(existing) + report.named_lines(existing)))
            confirm(session, f"Apply this to {arguments.env}?")
    return carry_out(session, planned, settings)


def carry_out(session: Session, planned: Plan, settings: Options) -> int:
    with Progress() as progress:
        context = Context(
            api=session.api,
            desired=session.desired,
            ssh=session.ssh,
            options=settings,
            templates=find_templates(planned, session.api, on_event=progress.show),
            on_event=progress.show,
            sleep=session.sleep,
        )
        results = apply(planned, context)
    if results:
        print(report.results_text(results))
    if planned.has_blocked or any(result.error for result in results):
        return FAILED
    if planned.has_refusals:
        print("The differences marked ! stay: apply never removes them by itself.")
        return CHANGES_PENDING
    return NOTHING_TO_DO


def plan_for_apply(session: Session, settings: Options, progress: Progress) -> Plan:
    """The plan, once creations that an interrupted run left under way have ended."""
    actual = session.actual()
    if wait_for_creations(
        session.api,
        actual,
        session.desired,
        timeout_s=settings.task_timeout_s,
        on_event=progress.show,
    ):
        actual = session.actual()
    return plan(session.desired, actual, reboot=settings.reboot)


def run_status(session: Session) -> int:
    arguments = session.arguments
    if arguments.watch is None:
        print(status_of(session))
        return NOTHING_TO_DO
    try:
        watch(session)
    except (KeyboardInterrupt, InterruptionError):
        # How watching ends.
        return NOTHING_TO_DO


def watch(session: Session) -> NoReturn:
    pause_s = session.arguments.watch
    if not sys.stdout.isatty() or session.arguments.json:
        while True:
            print(status_of(session), flush=True)
            session.sleep(pause_s)
    with Live(Text(status_of(session)), auto_refresh=False) as live:
        while True:
            session.sleep(pause_s)
            live.update(Text(status_of(session)), refresh=True)


def status_of(session: Session) -> str:
    actual = session.actual()
    rows = report.status_rows(plan(session.desired, actual), list(actual.ours.values()))
    if session.arguments.json:
        return json.dumps(rows, indent=None if session.arguments.watch else 2, sort_keys=True)
    return report.status_text(rows)


def run_doctor(session: Session) -> int:
    """Works before anything else is set up: what is missing is what it tells."""
    findings = []

    def connect() -> Proxmox:
        # A node that is down is a finding, not something to wait for.
        return Proxmox(session.endpoint, retry_for_s=DOCTOR_RETRY_S)

    for finding in doctor.examine(session.desired, ssh=session.ssh, connect=connect):
        print(finding, flush=True)
        findings.append(finding)
    problems = [finding for finding in findings if finding.verdict is doctor.Verdict.BAD]
    if session.arguments.pveum or any(f.subject in {"API", "privileges", "pool"} for f in problems):
        print("\nOn a node, as root: a minimal role, user, token and rights")
        try:
            identity = (session.endpoint.user, session.endpoint.token_name)
        except OperatorError:
            identity = doctor.DEFAULT_IDENTITY
        for line in pveum_commands(session.desired, *identity):
            print(f"  {line}")
    print(f"doctor: {len(problems)} to do" if problems else "doctor: apply would work")
    return FAILED if problems else NOTHING_TO_DO


def run_adopt(session: Session) -> int:
    arguments = session.arguments
    wanted = choose(session.desired, arguments.name, arguments.vmid)
    adoption = examine(session.api, session.desired, wanted)
    keys = session.ssh.public_keys()
    found = adoption.found
    print(f"{wanted.host}: {report.identified(found)}, named {found.container.hostname}")
    print("Differences from the inventory:")
    lines = report.step_lines(adoption.differences)[1:] + report.unmanaged_lines(found)
    print("\n".join(lines) or "    none")
    if adoption.is_ours_already:
        print(f"Adopted already: {wanted.host} carries our mark.")
    else:
        where = f"VMID {wanted.vmid} on {found.container.node}"
        confirm(session, f"Mark {where} as {wanted.host} of {arguments.env}?")
        mark_container(session.api, adoption)
        print(f"Adopted: VMID {wanted.vmid} is {wanted.host}; nothing else of it was changed.")
    print(f"On {found.container.node}, as root, so that Ansible can log in:")
    for line in console_lines(adoption, keys):
        print(f"  {line}")
    print("Then, with the fingerprint that the last line printed:")
    print(f"  make trust ENV={arguments.env} NAME={wanted.host} FINGERPRINT=SHA256:...")
    if not arguments.reboot:
        print("make provision removes the differences; a restart needs --reboot (make: REBOOT=1).")
        return NOTHING_TO_DO
    step = plan_one(wanted, session.actual().ours[wanted.vmid], reboot=True)
    return carry_out(session, Plan(steps=(step,)), Options(wait="running", reboot=True))


def run_trust(session: Session) -> int:
    """The only way to record a host key that Proxmox did not report: a person compared it."""
    wanted = choose(session.desired, session.arguments.name, None)
    if not SSH_FINGERPRINT.fullmatch(session.arguments.fingerprint):
        raise OperatorError(
            f"{session.arguments.fingerprint!r} is not a fingerprint",
            next_step=f"on the container's console: {SHOW_KEY}; give its SHA256:...",
        )
    session.ssh.write_config()
    session.ssh.trust(wanted, session.arguments.fingerprint, timeout_s=30.0)
    print(f"Recorded the host key of {wanted.host}.")
    return NOTHING_TO_DO


# ---------------------------------------------------------------- snapshots


def all_of_ours(session: Session) -> list[Found]:
    """Every container of the inventory; a snapshot of some of them would not fit together."""
    actual = session.actual()
    check_ownership(session.desired, actual)
    missing = [w.host for w in session.desired.containers if w.vmid not in actual.ours]
    if missing:
        raise OperatorError(
            f"{', '.join(missing)} does not exist", next_step="make provision first"
        )
    return [actual.ours[wanted.vmid] for wanted in session.desired.containers]


def run_snapshot(session: Session) -> int:
    arguments = session.arguments
    name = arguments.name or f"{snapshot.PREFIX}{time.strftime('%Y%m%d-%H%M%S')}"
    snapshot.check_name(name)
    found = all_of_ours(session)
    if any(entry.name == name for entry in snapshot.listing(session.api, found)):
        raise OperatorError(f"there is a snapshot {name} already", next_step="choose another name")
    snapshot.check_possible(session.api, found)
    print("\n".join(report.named_lines(found)))
    confirm(session, f"Stop {len(found)} containers for a moment to take snapshot {name}?")
    with Progress() as progress:
        snapshot.take(session.api, found, name, say=progress.show)
        old = snapshot.to_prune(snapshot.listing(session.api, found), arguments.keep)
        for entry in old:
            snapshot.remove(session.api, found, entry, say=progress.show)
    removed = f", removed {', '.join(entry.name for entry in old)}" if old else ""
    print(f"Snapshot {name} of {len(found)} containers{removed}.")
    return NOTHING_TO_DO


def run_snapshot_list(session: Session) -> int:
    found = all_of_ours(session)
    rows = [
        (
            entry.name,
            time.strftime("%F %T", time.localtime(entry.taken_at)),
            f"{len(entry.vmids)} of {len(found)}",
        )
        for entry in snapshot.listing(session.api, found)
    ]
    print(report.table(("snapshot", "taken", "containers"), rows) if rows else "No snapshots.")
    return NOTHING_TO_DO


def run_snapshot_restore(session: Session) -> int:
    found = all_of_ours(session)
    chosen = snapshot.find(snapshot.listing(session.api, found), session.arguments.name, found)
    confirm_destruction(session, found, what=f"takes back to snapshot {chosen.name}")
    with Progress() as progress:
        snapshot.restore(session.api, found, chosen.name, say=progress.show)
    print(f"Restored snapshot {chosen.name} of {len(found)} containers.")
    return NOTHING_TO_DO


def run_destroy(session: Session) -> int:
    arguments = session.arguments
    actual, wanted = session.actual(), session.desired
    chosen = select(actual, wanted, arguments.names, is_lab=arguments.env == LAB)
    for found in left_alone(actual, wanted, arguments.names):
        print(f"Left alone: {report.identified(found)}: a copy of {found.host}")
    if not chosen:
        print("Nothing to destroy: none of them exists.")
        return NOTHING_TO_DO
    check_destroy(chosen, stop=arguments.stop)
    for found in chosen:
        if found.ha_managed:
            print(f"{found.host} is managed by HA: its entry there is removed too.")
    confirm_destruction(session, chosen)
    with Progress() as progress:
        destroy(chosen, session.api, session.ssh, on_event=progress.show)
    print(f"Destroyed: {', '.join(found.host for found in chosen)}.")
    return NOTHING_TO_DO


# ---------------------------------------------------------------- asking


def ask(question: str) -> str:
    """What was typed; empty when the terminal was closed (Ctrl-D), or cannot be read as text."""
    try:
        return input(question).strip()
    except (EOFError, UnicodeError):
        print()
        return ""


def confirm(session: Session, question: str) -> None:
    """Raises OperatorError unless the operator agrees, or has said --yes."""
    if session.arguments.yes:
        return
    if not sys.stdin.isatty():
        raise OperatorError("nobody is there to ask", next_step="say --yes (make: YES=1)")
    if ask(f"{question} [y/N] ").lower() not in {"y", "yes", "o", "oui"}:
        raise OperatorError("not confirmed, nothing was changed", next_step="answer y to go on")


def confirm_destruction(
    session: Session, found: Sequence[Found], *, what: str = "destroys"
) -> None:
    """In the lab --yes is enough; elsewhere a name must be given too."""
    arguments = session.arguments
    print(f"This {what} in {arguments.env}, with all data in them:")
    print("\n".join(report.named_lines(found)))
    if arguments.env == LAB:
        confirm(session, "Go on?")
        return
    accepted = {arguments.env} | ({found[0].host} if len(found) == 1 else set())
    said = arguments.confirm
    if not said and sys.stdin.isatty():
        said = ask(f"Type {' or '.join(sorted(accepted))} to go on: ")
    if said not in accepted:
        raise OperatorError(
            f"not confirmed ({said or 'no name given'}), nothing was changed",
            next_step=f"say --confirm {min(accepted)} (make: CONFIRM=...)",
        )


def print_json(data: object) -> None:
    print(json.dumps(data, indent=2, sort_keys=True))


def tell(text: str) -> None:
    print(f"provision: {text}", file=sys.stderr, flush=True)


# ---------------------------------------------------------------- command line


def positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


NEXT_STEPS = {
    "adopt": "make adopt NAME=<container of the inventory> VMID=<its number>",
    "trust": "make trust NAME=<container of the inventory> FINGERPRINT=SHA256:...",
    "snapshot-restore": "choose one of `make snapshot-list`: make snapshot-restore SNAPSHOT=<name>",
}


def parser() -> Parser:
    top = Parser(prog="provision", description="Containers as the inventory says.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Callable[[Session], int], text: str) -> Parser:
        sub = verbs.add_parser(
            name, help=text, description=text, next_step=NEXT_STEPS.get(name, "")
        )
        sub.add_environment(required=True)
        sub.set_defaults(run=run)
        return sub

    sub = verb("plan", run_plan, "Show every difference; exit 2 when there is one.")
    sub.add_argument("--json", action="store_true", help="for machines, see schema.json")
    sub.add_argument("--out", type=Path, metavar="FILE", help="save the plan for apply FILE")
    sub.add_argument(
        "--all-fields", action="store_true", help="also what the inventory does not steer"
    )

    sub = verb("drift", run_drift, "As plan, for a timer: exit 2 on any difference at all.")
    sub.add_argument("--json", action="store_true")

    sub = verb("apply", run_apply, "Create and change containers until they match.")
    sub.add_argument("file", nargs="?", type=Path, metavar="FILE", help="saved by plan --out")
    sub.add_answers()
    sub.add_argument("--wait", choices=["ssh", "running", "none"], help="what proves a container")
    sub.add_argument("--wait-timeout", type=positive, default=120.0, metavar="SECONDS")
    sub.add_argument("--parallel", type=whole(1, MOST_PARALLEL), default=8, metavar="N")
    sub.add("--reboot", action="store_true", help="restart those that wait for it")

    sub = verb("status", run_status, "One line a container.")
    sub.add_argument("--json", action="store_true")
    sub.add_argument("--watch", type=positive, nargs="?", const=2.0, metavar="SECONDS")

    sub = verb("doctor", run_doctor, "Check everything that apply needs.")
    sub.add_argument("--pveum", action="store_true", help="print the pveum commands in any case")

    sub = verb("adopt", run_adopt, "Take over an existing container.")
    sub.add("name", metavar="NAME")
    sub.add("--vmid", type=whole(1), required=called_by_make(), help="the inventory's lxc_vmid")
    sub.add_answers()
    sub.add("--reboot", action="store_true", help="apply the differences, restart it")

    sub = verb("trust", run_trust, "Record a host key that a person has compared.")
    sub.add("name", metavar="NAME")
    sub.add("--fingerprint", required=True, metavar="SHA256:...")

    sub = verb("snapshot", run_snapshot, "Snapshot all containers together, consistently.")
    sub.add("--name", make="SNAPSHOT", help="default: ctlv- and the time")
    sub.add("--keep", type=whole(1, MOST_PARALLEL), default=5, help="of those named by default")
    sub.add_answers()

    verb("snapshot-list", run_snapshot_list, "List them.")

    sub = verb("snapshot-restore", run_snapshot_restore, "Take all containers back to one.")
    sub.add("name", make="SNAPSHOT", metavar="NAME")
    sub.add_answers()

    sub = verb("destroy", run_destroy, "Destroy the containers named.")
    make = "NAMES" if given("NAMES") else "NAME"
    sub.add("names", make=make, nargs="*", metavar="NAME", help="in the lab none means all")
    sub.add_answers()
    sub.add("--stop", action="store_true", help="stop running ones first")
    sub.add_argument("--all", action="store_true", help="all of them (in the lab only)")
    return top


@contextmanager
def interruptible(stopping: threading.Event) -> Iterator[None]:
    """Ctrl-C ends the waiting of every thread, not only of the main one, which waits for them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> NoReturn:
        stopping.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; an expected failure becomes two lines on stderr, never a traceback."""
    try:
        arguments = parser().parse_args(argv)
        session = Session(arguments)
        with interruptible(session.stopping):
            code: int = arguments.run(session)
            return code
    except OperatorError as error:
        tell(str(error))
    except KeyboardInterrupt:
        tell("interrupted\n  Next: run the same command again, it goes on there")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED
