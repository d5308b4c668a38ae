"""Wire the pipeline together; the only module that prints, asks or exits.

inventory -> desired -> actual -> plan -> apply -> report
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from provision import report
from provision.actual import read
from provision.apply import Context, Options, apply
from provision.creation import check_assumed, check_bridges, find_templates, wait_for_creations
from provision.credentials import LAB, Endpoint, Site, endpoint, site
from provision.desired import Desired, desired
from provision.destroy import destroy, select
from provision.errors import ProvisionError, UsageError
from provision.inventory import load
from provision.model import Actual, Plan
from provision.plan import check_destroy, plan
from provision.progress import Progress
from provision.proxmox import Proxmox
from provision.ssh import Ssh

NOTHING_TO_DO, FAILED, CHANGES_PENDING = 0, 1, 2  # as `terraform plan -detailed-exitcode`
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Session:
    """One run: everything is read when it is first asked for, in the order of the pipeline."""

    arguments: argparse.Namespace

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
        return Proxmox(self.endpoint)

    @cached_property
    def ssh(self) -> Ssh:
        return Ssh(site=self.site, desired=self.desired)

    def actual(self) -> Actual:
        return read(self.api, self.desired)

    def plan(self) -> Plan:
        return plan(self.desired, self.actual(), reboot=getattr(self.arguments, "reboot", False))


# ---------------------------------------------------------------- verbs


def run_plan(session: Session) -> int:
    planned = session.plan()
    if session.arguments.json:
        print_json(report.plan_data(planned))
    else:
        print(report.plan_text(planned))
    return CHANGES_PENDING if planned.has_moves or planned.has_refusals else NOTHING_TO_DO


def run_apply(session: Session) -> int:
    settings = options(session.arguments)
    with Progress() as progress:
        planned = plan_for_apply(session, settings, progress)
    print(report.plan_text(planned))
    if planned.has_moves:
        check_assumed(planned, session.desired)
        check_bridges(planned, session.api)
        confirm(session, f"Apply this to {session.arguments.env}?")
    with Progress() as progress:
        context = Context(
            api=session.api,
            desired=session.desired,
            ssh=session.ssh,
            options=settings,
            templates=find_templates(planned, session.api, on_event=progress.show),
            on_event=progress.show,
        )
        results = apply(planned, context)
    if results:
        print(report.results_text(results))
    if any(result.error for result in results):
        return FAILED
    return CHANGES_PENDING if planned.has_refusals else NOTHING_TO_DO


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
    actual = session.actual()
    planned = plan(session.desired, actual)
    rows = report.status_rows(planned, list(actual.ours.values()))
    if session.arguments.json:
        print_json(rows)
    else:
        print(report.status_text(rows))
    return NOTHING_TO_DO


def run_destroy(session: Session) -> int:
    arguments = session.arguments
    chosen = select(session.actual(), session.desired, arguments.names, is_lab=arguments.env == LAB)
    if not chosen:
        print("Nothing to destroy: none of them exists.")
        return NOTHING_TO_DO
    check_destroy(chosen, stop=arguments.stop)
    names = [found.container.hostname for found in chosen]
    confirm_destruction(session, names)
    with Progress() as progress:
        destroy(chosen, session.api, session.ssh, on_event=progress.show)
    print(f"Destroyed: {', '.join(names)}.")
    return NOTHING_TO_DO


# ---------------------------------------------------------------- asking


def confirm(session: Session, question: str) -> None:
    """Raises UsageError unless the operator agrees, or has said --yes."""
    if session.arguments.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", next_step="say --yes (make: YES=1)")
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes", "o", "oui"}:
        raise UsageError("not confirmed, nothing was changed", next_step="answer y to go on")


def confirm_destruction(session: Session, names: Sequence[str]) -> None:
    """In the lab --yes is enough; elsewhere a name must be given too."""
    arguments = session.arguments
    print(f"This destroys {', '.join(names)} in {arguments.env}, with all data in them.")
    if arguments.env == LAB:
        return confirm(session, "Go on?")
    accepted = {arguments.env} | ({names[0]} if len(names) == 1 else set())
    given = arguments.confirm
    if given is None and sys.stdin.isatty():
        given = input(f"Type {' or '.join(sorted(accepted))} to go on: ").strip()
    if given not in accepted:
        raise UsageError(
            f"not confirmed ({given or 'no name given'}), nothing was changed",
            next_step=f"say --confirm {min(accepted)} (make: CONFIRM=...)",
        )
    return None


def options(arguments: argparse.Namespace) -> Options:
    return Options(
        wait=arguments.wait,
        wait_timeout_s=arguments.wait_timeout,
        parallel=arguments.parallel,
        reboot=arguments.reboot,
    )


def print_json(data: object) -> None:
    print(json.dumps(data, indent=2, sort_keys=True))


# ---------------------------------------------------------------- command line


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="provision", description="Containers as the inventory says.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Callable[[Session], int], text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.add_argument("--env", required=True, help="folder below inventory/")
        sub.set_defaults(run=run)
        return sub

    sub = verb("plan", run_plan, "Show every difference; exit 2 when there is one.")
    sub.add_argument("--json", action="store_true")

    sub = verb("apply", run_apply, "Create and change containers until they match.")
    sub.add_argument("--yes", action="store_true", help="do not ask")
    sub.add_argument("--wait", choices=["ssh", "running", "none"], help="what proves a container")
    sub.add_argument("--wait-timeout", type=float, default=120.0, metavar="SECONDS")
    sub.add_argument("--parallel", type=int, default=8, metavar="N")
    sub.add_argument("--reboot", action="store_true", help="restart those with pending changes")

    sub = verb("status", run_status, "One line a container.")
    sub.add_argument("--json", action="store_true")

    sub = verb("destroy", run_destroy, "Destroy the containers named.")
    sub.add_argument("names", nargs="*", metavar="NAME", help="in the lab none means all")
    sub.add_argument("--yes", action="store_true", help="do not ask (enough in the lab only)")
    sub.add_argument("--confirm", metavar="NAME", help="the container's or the environment's name")
    sub.add_argument("--stop", action="store_true", help="stop running ones first")
    return top


def guarded(command: Callable[[], int]) -> int:
    """Run `command`; an expected failure becomes two lines on stderr, never a traceback."""
    try:
        return command()
    except ProvisionError as error:
        print(f"provision: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(
            "provision: interrupted\n  Next: run the same command again, it goes on there",
            file=sys.stderr,
        )
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return guarded(lambda: arguments.run(Session(arguments)))
