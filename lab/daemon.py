"""The lab's one long-lived process: the API, the loopback forwards, the package proxy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import uuid

from lab import certificates, network, proxy
from lab.api import LabPve
from lab.errors import LabError
from lab.forward import Forward, socket_here, socket_in
from lab.lxc import LxcRuntime
from lab.packages import debian_sources, machine_codename, package_hosts
from lab.settings import ROOT_ID, Facts, Settings, load_facts, write_atomically
from lab.templates import RELEASES, Templates

LOOPBACK = "127.0.0.1"
TOKEN_ID = "ctlv@pve!lab"  # noqa: S105 # a name, not a secret
PROXY_WAIT_S = 5.0
log = logging.getLogger("lab")


async def serve(settings: Settings) -> None:
    """Run until told to end with SIGTERM; containers go on running."""
    facts = load_facts()
    lab = Lab(settings, facts)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await lab.start()
        await stop.wait()
    finally:
        await lab.stop()


class Lab:
    def __init__(self, settings: Settings, facts: Facts) -> None:
        self.settings = settings
        self.facts = facts
        self.secret = kept_secret(settings, "token")
        templates = Templates()
        self.runtime = LxcRuntime(settings, templates=templates)
        self.pve = LabPve(
            self.runtime,
            templates,
            nodes=facts.nodes,
            keep=settings.state / "api.json",
            host=LOOPBACK,
            port=settings.api_port,
        )
        self.pve.admit(
            (TOKEN_ID, self.secret),
            bridge=facts.bridge,
            tags=[network.tag for network in facts.networks],
            ha=facts.ha,
        )
        self.pve.apitokens[ROOT_ID] = kept_secret(settings, "root-token")
        self.pve.show_templates()
        self.forwards: list[Forward] = []
        self.proxy: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Listen, take over what runs, start again what ran."""
        await self._start_forwards()
        await self._start_proxy()
        to_start = await self.pve.resume()
        files = certificates.ensure(
            self.settings.state, lab=self.settings.name, node=self.facts.node
        )
        await self.pve.start(*map(str, files))
        await self.pve.start_again(to_start)
        write_lab_file(self.settings, self.facts, self.secret)
        self.runtime.keys.fill()

    async def stop(self) -> None:
        self.settings.lab_file.unlink(missing_ok=True)
        await self.pve.stop()
        for forward in self.forwards:
            if forward.server:
                forward.server.close()
        if self.proxy:
            self.proxy.terminate()

    async def _start_forwards(self) -> None:
        inside = network.NAMESPACES / self.settings.netns
        for here, target in self.settings.forwards(self.facts).items():
            host, port = target.rsplit(":", 1)
            forward = Forward(lambda: socket_in(inside), (host, int(port)))
            await forward.listen(socket_here(), (LOOPBACK, int(here)))
            self.forwards.append(forward)
        for gateway in (item.gateway for item in self.facts.networks if item.gateway):
            forward = Forward(socket_here, (LOOPBACK, self.settings.proxy_port))
            where = (str(gateway), self.facts.package_proxy_port)
            await forward.listen(socket_in(inside), where)
            self.forwards.append(forward)

    async def _start_proxy(self) -> None:
        sources = [s for name in RELEASES.values() for s in debian_sources(name)]
        if not sources:
            raise LabError(
                f"no Debian repository of '{machine_codename()}' is configured on this machine",
                next_step="run `apt-get update`, and see /etc/apt/sources.list.d",
            )
        self.proxy = proxy.start(self.settings, package_hosts(sources))
        async with asyncio.timeout(PROXY_WAIT_S):
            while not await _answers(self.settings.proxy_port):
                if self.proxy.poll() is not None:
                    raise LabError(
                        "the package proxy ended at once",
                        next_step=f"read {self.settings.state / 'proxy.log'}",
                    )
                await asyncio.sleep(0.05)


async def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.close()
        return True
    return False


def kept_secret(settings: Settings, name: str) -> str:
    file = settings.state / name
    if not file.exists():
        write_atomically(file, str(uuid.uuid4()))
    return file.read_text().strip()


def write_lab_file(settings: Settings, facts: Facts, secret: str) -> None:
    """Tell other programs how to reach the lab. Written last: whoever reads it can connect."""
    gateway = next(str(item.gateway) for item in facts.networks if item.gateway)
    data = {
        "name": settings.name,
        "api_host": LOOPBACK,
        "api_port": settings.api_port,
        "api_url": f"https://{LOOPBACK}:{settings.api_port}",
        "ca_file": str(settings.state / certificates.CA_FILE),
        "token_id": TOKEN_ID,
        "token_secret": secret,
        "node": facts.node,
        "netns": settings.netns,
        "vantage_netns": settings.vantage_netns,
        "ssh_proxy_command": settings.ssh_proxy_command,
        "forwards": settings.forwards(facts),
        "package_proxy": f"http://{gateway}:{facts.package_proxy_port}",
        "pid": os.getpid(),
    }
    write_atomically(settings.lab_file, json.dumps(data, indent=2) + "\n")
