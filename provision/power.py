"""Start and stop one container. With HA a task ends as soon as HA was asked: look what runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from provision.errors import ApiError, OperatorError, TaskError
from provision.proxmox import HA_ERROR, Proxmox

SHUTDOWN_S = 60
START_S = 120.0
# The cycles of HA's two managers, 10 s each, before the shutdown's own time and after it.
HA_S = 60
POLL_S = 0.3
TELL_EACH_S = 10

Say = Callable[[str], None]


def start(api: Proxmox, path: str, say: Say, *, timeout_s: float = START_S) -> str:
    """Return how its task ended. Being up is a success."""
    say("starting")
    status = "OK"
    try:
        upid = api.post(f"{path}/status/start")
    except ApiError as error:
        if "already running" not in error.text:
            raise
    else:
        status = api.wait_for_task(upid)
    wait_for(api, path, "running", say, timeout_s=timeout_s)
    return status


def shut_down(api: Proxmox, path: str, say: Say) -> None:
    """A clean shutdown, and the hard way when it takes too long. Being down is a success."""
    say("stopping")
    try:
        upid = api.post(f"{path}/status/shutdown", {"timeout": SHUTDOWN_S, "forceStop": 1})
        api.wait_for_task(upid)
    except ApiError as error:
        if "not running" not in error.text:
            raise
    except TaskError as error:
        if "did not stop" not in (error.exit_status or ""):
            raise
        api.wait_for_task(api.post(f"{path}/status/stop"))
    wait_for(api, path, "stopped", say, timeout_s=SHUTDOWN_S + HA_S)


def wait_for(
    api: Proxmox, path: str, status: Literal["running", "stopped"], say: Say, *, timeout_s: float
) -> None:
    """Wait until a container is `status`. Raises OperatorError."""
    began = api.clock()
    while api.get(f"{path}/status/current").get("status") != status:
        waited_s = api.clock() - began
        if waited_s >= timeout_s:
            vmid = path.rpartition("/")[2]
            raise OperatorError(
                f"VMID {vmid} is not {status} after {timeout_s:.0f} s",
                next_step="see its console in Proxmox; when HA manages it, ha-manager status "
                f"({HA_ERROR.replace('VMID', vmid)}); run this again",
            )
        if waited_s >= TELL_EACH_S:
            tens = int(waited_s // TELL_EACH_S) * TELL_EACH_S
            say(f"not {status} yet after {tens} s of {timeout_s:.0f}")
        api.sleep(POLL_S)
