"""What a drill does to a container, through the Proxmox API that provisioning uses."""

from __future__ import annotations

import time
from collections.abc import Callable

from provision.credentials import endpoint
from provision.credentials import site as provision_site
from provision.desired import desired
from provision.errors import OperatorError
from provision.inventory import load
from provision.proxmox import Proxmox
from tests.drills.load import trust
from tests.infra.remote import Connections, RemoteError
from tests.infra.site import ROOT, Host, Site

BACK_WITHIN_S = 120
POLL_S = 0.3


class Cluster:
    def __init__(self, site: Site) -> None:
        self.site = site
        trust(site)
        wanted = desired(load(site.environment, root=ROOT))
        self.api = Proxmox(endpoint(wanted, provision_site(site.environment, root=ROOT)))

    def restart(self, host: Host) -> None:
        """Reboot through the API; returns when its task has ended well."""
        self.check_mark(host)
        path = f"nodes/{self.node_of(host)}/lxc/{host.vmid}/status/reboot"
        self.api.wait_for_task(self.api.post(path, {"timeout": 60}))

    def stop(self, host: Host) -> None:
        """A clean shutdown through the API; returns when the container is down."""
        self.check_mark(host)
        path = f"nodes/{self.node_of(host)}/lxc/{host.vmid}/status/shutdown"
        self.api.wait_for_task(self.api.post(path, {"timeout": 60, "forceStop": 1}))

    def start(self, host: Host) -> None:
        path = f"nodes/{self.node_of(host)}/lxc/{host.vmid}/status/start"
        self.api.wait_for_task(self.api.post(path))

    def node_of(self, host: Host) -> str:
        """Where it is now: HA or a colleague may have moved it."""
        guests = self.api.get("cluster/resources", type="vm")
        nodes = [str(guest["node"]) for guest in guests if int(guest["vmid"]) == host.vmid]
        return nodes[0] if nodes else host.node

    def check_mark(self, host: Host) -> None:
        """Raises OperatorError unless the guest itself says that it is this deployment's."""
        marks = {
            "CTLV_DEPLOYMENT_ID": self.site.deployment_id,
            "CTLV_ENVIRONMENT": self.site.environment,
            "CTLV_HOST": host.name,
        }
        if read_mark(self.site, host) != marks:
            raise OperatorError(
                f"{host.name} does not carry the mark of {self.site.environment} "
                "in /etc/ctlv/environment",
                "check ansible_host in the inventory; nothing was touched",
            )

    def wait_until_back(self, host: Host, *, booted_before: str) -> float:
        """Seconds until SSH answers from a new boot and systemd is up. Raises OperatorError."""
        return waited(
            lambda: self._is_back(host, booted_before),
            what=f"{host.name} to come back",
            limit_s=BACK_WITHIN_S,
        )

    def _is_back(self, host: Host, booted_before: str) -> bool:
        boot, state = boot_and_state(self.site, host)
        if state == "degraded":
            raise OperatorError(
                f"{host.name} came back degraded",
                f"run `make ssh` and `systemctl --failed` on {host.name}",
            )
        return boot != booted_before and state == "running"


def read_mark(site: Site, host: Host) -> dict[str, str]:
    text = on(site, host, ["cat", "/etc/ctlv/environment"])
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def boot_and_state(site: Site, host: Host) -> tuple[str, str]:
    """What names this boot of the container, and systemd's word on it; empty when unreachable."""
    command = "stat --format=%Z /proc/1; systemctl is-system-running; true"
    lines = on(site, host, ["sh", "-c", command]).split()
    return (lines[0], lines[1]) if len(lines) > 1 else ("", "")


def on(site: Site, host: Host, command: list[str]) -> str:
    """A command over a connection of its own: a shared one would outlive the container."""
    connections = Connections(site)
    try:
        return connections.place(host.name).run(command, timeout_s=30).stdout
    except (RemoteError, TimeoutError):
        return ""
    finally:
        connections.close()


def waited(is_done: Callable[[], bool], *, what: str, limit_s: float) -> float:
    """Seconds until `is_done`. Raises OperatorError after `limit_s`."""
    began = time.monotonic()
    while not is_done():
        if time.monotonic() - began > limit_s:
            raise OperatorError(
                f"waited {limit_s:.0f} s for {what}", "look at the console and the logs"
            )
        time.sleep(POLL_S)
    return time.monotonic() - began
