"""Make it so: one worker a container, each a loop of read, decide (plan.py), act.

Nothing is remembered between two runs: a worker asks the API what is there and does the next thing
that is missing. So a run that was killed, a request whose answer was lost and a second run beside
this one are all the same case.
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from provision import power
from provision.actual import is_ours, node_of, read_again, task_under_way, with_denied
from provision.creation import settle
from provision.desired import Desired
from provision.errors import ApiError, OperatorError, PlanError, TaskError, UnknownOutcomeError
from provision.model import (
    Configure,
    Create,
    Event,
    Found,
    HaStep,
    Migrate,
    Move,
    Pending,
    Plan,
    Reboot,
    Resize,
    Start,
    Step,
    Wait,
    Wanted,
)
from provision.plan import WAITING, key_of, plan_one
from provision.proxmox import NOT_FOUND, Proxmox, is_lock_failure, is_not_found
from provision.ssh import Ssh
from provision.wire import create_params, fingerprints, render_tags

CREATES_PER_STORAGE = 4
LOCKED_PAUSE_S = 4.0
MOST_ROUNDS = 20
CREATE_TRIES = 3
# Disks of local storages are copied over the network.
MIGRATE_TIMEOUT_S = 4 * 3600.0
ALREADY_EXISTS = re.compile(
    r"(?P<kind>CT|VM) (?P<vmid>\d+) already exists on node '(?P<node>[^']+)'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the operator may say on the command line."""

    wait: Wait | None = None
    wait_timeout_s: float = 120.0
    task_timeout_s: float = 600.0
    parallel: int = 8
    reboot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one container ended. `proof` is what was had: "ssh", "running" or "none".

    `vmid` is 0 for what is no container: an entry of HA.
    """

    host: str
    vmid: int
    did: tuple[str, ...]
    proof: str
    took_s: float
    pending: tuple[Pending, ...] = ()
    error: OperatorError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every worker shares."""

    api: Proxmox
    desired: Desired
    ssh: Ssh
    options: Options
    templates: dict[tuple[str, str, str], str]
    on_event: Callable[[Event], None]
    storages: defaultdict[str, threading.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: threading.Semaphore(CREATES_PER_STORAGE))
    )
    reachable: dict[str, threading.Event] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def apply(plan: Plan, context: Context) -> tuple[Result, ...]:
    """Carry out `plan`; one failed container never hides another's success.

    Containers that match are only proven, and only when an earlier run did not get that far. What
    HA knows already changes first: it would bring what moves back to where its rule still is.
    """
    ha = [step for step in plan.ha if step.method]
    early = [tell_ha(step, context) for step in ha if step.is_early]
    containers = apply_containers(plan, context)
    late = [tell_ha(step, context) for step in ha if not step.is_early]
    return (*early, *containers, *late)


HA_VERBS = {"POST": "added", "PUT": "changed", "DELETE": "removed"}


def tell_ha(step: HaStep, context: Context) -> Result:
    """Make one call about HA, which then goes to work by itself."""
    began = context.clock()
    error = None
    try:
        if step.method == "DELETE":
            context.api.delete(step.path)
        elif step.method == "PUT":
            context.api.put(step.path, step.params)
        else:
            context.api.post(step.path, step.params)
    except OperatorError as failure:
        error = failure
    did = () if error else (HA_VERBS[step.method],)
    context.on_event(Event(step.subject, did[0] if did else "failed"))
    took_s = context.clock() - began
    return Result(host=step.subject, vmid=0, did=did, proof="none", took_s=took_s, error=error)


def apply_containers(plan: Plan, context: Context) -> tuple[Result, ...]:
    unproven = [step for step in matching_steps(plan, context) if needs_proof(step.wanted, context)]
    doable = [step for step in plan.steps if not step.is_blocked]
    steps = sorted([*doable, *unproven], key=lambda step: step.wanted.vmid)
    # Also when no container changes: another one may lead to it now.
    context.ssh.write_config()
    if not steps:
        return ()
    context.reachable.update({step.wanted.host: threading.Event() for step in steps})
    with ThreadPoolExecutor(max_workers=min(context.options.parallel, len(steps))) as pool:
        return tuple(pool.map(lambda step: Worker(step, context).run(), ordered(steps)))


def ordered(steps: Sequence[Step]) -> list[Step]:
    """Those that others jump through first: with few threads nobody waits for one not yet begun."""
    jumps = {jump for step in steps for jump in step.wanted.jumps}
    return sorted(steps, key=lambda step: (step.wanted.host not in jumps, step.wanted.vmid))


def matching_steps(plan: Plan, context: Context) -> list[Step]:
    by_vmid = {wanted.vmid: wanted for wanted in context.desired.containers}
    return [Step(wanted=by_vmid[f.container.vmid], before=f) for f in plan.matching]


def needs_proof(wanted: Wanted, context: Context) -> bool:
    wait = context.options.wait or wanted.wait
    return wait == "ssh" and not context.ssh.known_keys(wanted.host)


class Worker:
    """Brings one container to what the inventory says."""

    def __init__(self, step: Step, context: Context) -> None:
        self.step = step
        self.wanted = step.wanted
        self.context = context
        self.api = context.api
        self.did: list[str] = []
        self.node = step.before.container.node if step.before else step.wanted.container.node
        self.create_upid: str | None = None
        # Of a move that was tried again: what to say when it never works.
        self.last_failure: OperatorError | None = None
        # Keys of the API, and disks, that were refused: the others are changed all the same.
        self.refused: dict[str, OperatorError] = {}
        self.one_by_one = False
        # What was shown as staying does so, also when this run lifts the protection that held it.
        planned = {key for move in step.moves if isinstance(move, Configure) for key in move.keys}
        self.stays = {key_of(refusal.change.field) for refusal in step.refusals} - planned
        # Why it is not brought to its node; no call of its own tells.
        self.away = next(
            ((r.reason, r.next_step) for r in step.refusals if r.change.field == "node"), None
        )
        self.reverted: set[str] = set()
        # Written by this run, and taken by the running container at its next start only.
        self.late: tuple[Pending, ...] = ()
        self.began = context.clock()

    @property
    def name(self) -> str:
        return f"{self.wanted.host} (VMID {self.wanted.vmid})"

    @property
    def path(self) -> str:
        return f"nodes/{self.node}/lxc/{self.wanted.vmid}"

    def say(self, text: str) -> None:
        self.context.on_event(Event(self.wanted.host, text))

    def run(self) -> Result:
        proof, error, pending = "none", None, self.step.pending
        try:
            pending = self.converge()
            proof = self.prove()
        except OperatorError as failure:
            error = failure
            self.say(f"failed: {failure.problem.splitlines()[0]}")
        finally:
            self.context.reachable[self.wanted.host].set()
        return Result(
            host=self.wanted.host,
            vmid=self.wanted.vmid,
            did=tuple(self.did),
            proof=proof,
            took_s=self.context.clock() - self.began,
            pending=pending,
            error=error,
        )

    # ---------------------------------------------------------------- the loop

    def converge(self) -> tuple[Pending, ...]:
        """Do one move after the other, reading back after each; return what waits for a restart.

        A change that is refused keeps no other back: they are all told when the rest is done.
        """
        step = self.step
        done: list[Move] = []
        for _ in range(MOST_ROUNDS + len(step.changes)):
            move = self.next_move(step)
            if move is None:
                break
            if without_digest(move) in done:
                self.refuse(move, self.last_failure or self.not_taken(step))
            elif self.perform(move, step):
                done.append(without_digest(move))
                self.last_failure = None
            step = self.replan()
        else:
            raise self.last_failure or self.not_taken(step)
        if self.refused:
            failures = {failure.problem: failure for failure in self.refused.values()}
            raise OperatorError(
                "\n  ".join(failures),
                next_step="; ".join(dict.fromkeys(f.next_step for f in failures.values())),
            )
        return step.pending

    def next_move(self, step: Step) -> Move | None:
        """The first that was not refused; of a configuration what was not, or one key of it."""
        for move in step.moves:
            if isinstance(move, Resize) and move.disk in self.refused:
                continue
            if not isinstance(move, Configure):
                return move
            keys = [key for key in move.keys if key not in self.refused.keys() | self.stays]
            if keys:
                return only(move, keys[:1] if self.one_by_one else keys)
        return None

    def refuse(self, move: Move, failure: OperatorError) -> None:
        """Go on without `move`; of several keys that were refused together one at a time."""
        if isinstance(move, Resize):
            self.refused[move.disk] = failure
        elif isinstance(move, Configure) and len(move.keys) > 1:
            self.one_by_one = True
        elif isinstance(move, Configure):
            self.refused[move.keys[0]] = failure
        else:
            raise failure

    def replan(self) -> Step:
        """Read and decide again. Raises PlanError when it became someone else's meanwhile."""
        before = read_again(self.api, self.wanted.vmid, self.node)
        if before is None and self.step.before is not None:
            before = self.find_elsewhere()
        if before is not None and not is_mine(before, self.wanted, self.context.desired):
            raise PlanError(
                f"{self.name}: it was taken by someone else meanwhile",
                next_step="choose a free lxc_vmid in inventory/, then run this again",
            )
        if before is not None:
            before = with_denied(self.api, before, self.wanted)
        reboot = self.context.options.reboot
        now = plan_one(self.wanted, before, reboot=reboot, late=self.late, away=self.away)
        strange = {
            change.field
            for change in now.changes
            if change.field != "status"
            and not change.field.startswith(WAITING)
            and key_of(change.field) not in self.reverted | self.stays
        } - {change.field for change in self.step.changes}
        if strange and self.step.before is not None and before is not None:
            raise PlanError(
                f"{self.wanted.host}: {', '.join(sorted(strange))} changed while this ran",
                next_step="run plan again and look at the new difference",
            )
        return now

    def find_elsewhere(self) -> Found:
        """Where HA or a colleague moved it meanwhile. Raises PlanError when it is nowhere."""
        node = node_of(self.api, self.wanted.vmid)
        found = read_again(self.api, self.wanted.vmid, node) if node else None
        if node is None or found is None:
            raise PlanError(
                f"{self.name}: it was destroyed while this ran",
                next_step="run this again: it is planned, and asked for, as a new container",
            )
        self.node = node
        # Whoever moved it decides for this run; the next plan says where it shall lie.
        self.wanted = replace(self.wanted, container=replace(self.wanted.container, node=node))
        return found

    def not_taken(self, step: Step) -> OperatorError:
        fields = ", ".join(change.field for change in step.changes)
        return OperatorError(
            f"{self.wanted.host}: Proxmox reported success, but these still differ: {fields}",
            next_step=f"compare 'pct config {self.wanted.vmid}' on {self.node} with the inventory",
        )

    def perform(self, move: Move, step: Step) -> bool:
        """Do one thing. False when it did not happen, or nobody knows: the next reading tells."""
        try:
            self.act(move)
            if isinstance(move, Configure):
                self.late += tuple(
                    entry
                    for entry in step.pending
                    if "." in entry.key and key_of(entry.key) in move.keys
                )
        except ApiError as error:
            if is_lock_failure(error.text):
                raise
            # Not found: destroyed or moved since it was read.
            if is_not_found(error):
                self.last_failure = error
            else:
                self.refuse(move, error)
            return False
        except UnknownOutcomeError as error:
            self.say(f"{error.problem}; looking what happened")
            if isinstance(move, Create):
                self.settle()
            self.last_failure = error
            return False
        except TaskError as error:
            # A task takes its lock itself, after the call was accepted; creations have their own
            # tries.
            status = error.exit_status or ""
            passes = is_lock_failure(status) or NOT_FOUND.search(status)
            if isinstance(move, Create) or not passes:
                self.refuse(move, error)
                return False
            self.say(f"{status}; waiting")
            self.last_failure = error
            self.context.sleep(LOCKED_PAUSE_S)
            return False
        return True

    def act(self, move: Move) -> None:
        match move:
            case Create():
                self.create(move)
            case Configure():
                self.configure(move)
            case Resize():
                self.resize(move)
            case Migrate():
                self.migrate(move)
            case Start():
                self.start()
            case Reboot():
                self.reboot()

    # ---------------------------------------------------------------- moves

    def create(self, move: Create) -> None:
        container = move.container
        key = (container.node, self.wanted.template_storage, str(container.template))
        params = create_params(
            container,
            ostemplate=self.context.templates[key],
            ssh_keys=self.context.ssh.public_keys(),
            pool=self.context.desired.pool,
        )
        with self.context.storages[container.disk.storage]:
            for tries_left in reversed(range(CREATE_TRIES)):
                self.say("creating")
                try:
                    self.create_upid = self.api.post(f"nodes/{container.node}/lxc", params)
                    self.wait(self.create_upid, "creating")
                    break
                except ApiError as error:
                    taken = ALREADY_EXISTS.search(error.text)
                    if taken is None:
                        raise
                    self.exists_already(taken)
                    return
                except TaskError as error:
                    # A failed creation leaves nothing behind; a storage's lock frees itself.
                    if not (tries_left and is_lock_failure(error.exit_status or "")):
                        raise
        if "pool" in params and container.tags:
            self.api.put(f"{self.path}/config", {"tags": render_tags(container.tags)})
        self.did.append("created")

    def exists_already(self, match: re.Match[str]) -> None:
        """Success only when ours: another run of ours was faster, or our own answer was lost."""
        if match["kind"] == "CT":
            self.node = match["node"]
            found = self.settle()
            if found is not None and is_mine(found, self.wanted, self.context.desired):
                return
        raise PlanError(
            f"{self.name}: it exists on {match['node']} and is not ours",
            next_step="choose a free lxc_vmid in inventory/; nothing of it was touched",
        )

    def settle(self) -> Found | None:
        return settle(
            self.api,
            self.wanted,
            self.node,
            timeout_s=self.context.options.task_timeout_s,
            on_wait=lambda: self.say("waiting for a creation under way"),
        )

    def configure(self, move: Configure) -> None:
        self.say(f"changing {', '.join(move.keys)}")
        lists = {"delete": ",".join(move.delete), "revert": ",".join(move.revert)}
        params = dict(move.set) | {key: text for key, text in lists.items() if text}
        if move.digest:
            params["digest"] = move.digest
        try:
            self.api.put(f"{self.path}/config", params)
        except ApiError as error:
            if "detected modified configuration" not in error.text:
                self.undo_pending(move)
                raise
            # Another run of ours may have made the same change: replan() tells.
            raise UnknownOutcomeError(error.problem, next_step=error.next_step) from error
        self.reverted.update(move.revert)
        if "changed" not in self.did:
            self.did.append("changed")

    def undo_pending(self, move: Configure) -> None:
        """A refused change of a running container may stay pending and break its next start."""
        now = read_again(self.api, self.wanted.vmid, self.node)
        stuck = sorted({p.key for p in now.pending} & set(move.set)) if now else []
        earlier = {p.key for p in self.step.before.pending} if self.step.before else set()
        stuck = [key for key in stuck if key not in earlier]
        if stuck:
            self.say(f"taking back {', '.join(stuck)}")
            self.api.put(f"{self.path}/config", {"revert": ",".join(stuck)})

    def resize(self, move: Resize) -> None:
        self.say(f"growing {move.disk} to {move.size}")
        try:
            upid = self.api.put(
                f"{self.path}/resize", {"disk": move.disk, "size": move.size, "digest": move.digest}
            )
        except ApiError as error:
            if "already at specified size" in error.text:
                return
            raise
        self.wait(upid, f"growing {move.disk}")
        self.did.append(f"grew {move.disk}")

    def migrate(self, move: Migrate) -> None:
        """Move it, or wait for the move that an interrupted run began: its task goes on."""
        doing = f"moving to {move.node}"
        self.say(doing)
        params: dict[str, str | int] = {"target": move.node, "restart": 1}
        if move.storages:
            params["target-storage"] = ",".join(f"{old}:{new}" for old, new in move.storages)
        under_way = task_under_way(self.api, self.wanted.vmid, self.node, "vzmigrate")
        upid = under_way or self.api.post(f"{self.path}/migrate", params)

        def tell() -> None:
            last = next((line for line in reversed(self.api.task_log(upid)) if line.strip()), "")
            self.say(f"{doing}: {last[:60]}" if last else doing)

        status = self.api.wait_for_task(upid, timeout_s=MIGRATE_TIMEOUT_S, on_poll=tell)
        self.note(doing, status)
        self.wait_for_node(move.node)
        self.late = ()
        self.did.append(f"moved to {self.node}")

    def wait_for_node(self, node: str) -> None:
        """With HA the task ends before anything has moved. Raises OperatorError."""
        deadline = self.context.clock() + self.context.options.task_timeout_s
        while (now := node_of(self.api, self.wanted.vmid)) != node:
            if self.context.clock() >= deadline:
                raise OperatorError(
                    f"{self.name} lies on {now} still, not on {node}",
                    next_step="see ha-manager status, and the tasks of both nodes; run this again",
                )
            self.say(f"waiting for HA to move it to {node}")
            self.context.sleep(LOCKED_PAUSE_S / 4)
        self.node = node

    def start(self) -> None:
        timeout_s = self.context.options.wait_timeout_s
        self.note("starting", power.start(self.api, self.path, self.say, timeout_s=timeout_s))
        self.did.append("started")

    def reboot(self) -> None:
        self.say("rebooting")
        upid = self.api.post(f"{self.path}/status/reboot", {"timeout": 60})
        self.wait(upid, "rebooting")
        self.late = ()
        self.did.append("rebooted")

    def wait(self, upid: str, doing: str) -> None:
        status = self.api.wait_for_task(
            upid, timeout_s=self.context.options.task_timeout_s, on_poll=lambda: self.say(doing)
        )
        self.note(doing, status)

    def note(self, doing: str, status: str) -> None:
        if status != "OK":
            self.say(f"{doing}: {status}, see the task's log")

    # ---------------------------------------------------------------- proof

    def prove(self) -> str:
        """Wait for what was asked for, and return it."""
        wait = self.context.options.wait or self.wanted.wait
        if wait == "none":
            return "none"
        if wait == "ssh":
            self.wait_for_jumps()
            self.say("waiting for SSH")
            self.context.ssh.prove(
                self.wanted,
                fingerprints=self.reported_fingerprints,
                timeout_s=self.context.options.wait_timeout_s,
            )
            self.say("ready: ssh")
            return "ssh"
        timeout_s = self.context.options.wait_timeout_s
        power.wait_for(self.api, self.path, "running", self.say, timeout_s=timeout_s)
        self.say("ready: running")
        return "running"

    def wait_for_jumps(self) -> None:
        reachable = self.context.reachable
        for jump in self.wanted.jumps:
            if jump in reachable and not reachable[jump].is_set():
                self.say(f"waiting for {jump}")
                reachable[jump].wait(self.context.options.task_timeout_s)

    def reported_fingerprints(self) -> frozenset[str]:
        """What Proxmox printed when it made the host keys: the log of the newest creation."""
        upid = self.create_upid or self.find_create_task()
        return fingerprints(self.api.task_log(upid)) if upid else frozenset()

    def find_create_task(self) -> str | None:
        tasks = self.api.get(
            f"nodes/{self.node}/tasks", source="all", vmid=self.wanted.vmid, typefilter="vzcreate"
        )
        created = [task for task in tasks if task.get("type") == "vzcreate"]
        newest = max(created, key=lambda task: int(task.get("starttime", 0)), default=None)
        return str(newest["upid"]) if newest else None


# ---------------------------------------------------------------- pure helpers


def is_mine(found: Found, wanted: Wanted, desired: Desired) -> bool:
    mark = found.container.mark
    return is_ours(mark, desired) and mark is not None and mark.host == wanted.host


def only(move: Configure, keys: Sequence[str]) -> Configure:
    return replace(
        move,
        set={key: value for key, value in move.set.items() if key in keys},
        delete=tuple(key for key in move.delete if key in keys),
        revert=tuple(key for key in move.revert if key in keys),
    )


def without_digest(move: Move) -> Move:
    """The same move whatever the configuration's digest was."""
    return replace(move, digest="") if isinstance(move, Configure | Resize) else move
