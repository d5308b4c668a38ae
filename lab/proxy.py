"""The containers' only way out: tinyproxy on loopback, which lets through to package hosts only."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

from lab.packages import machine_proxy
from lab.settings import Settings, write_atomically

TIMEOUT_S = 60


def configuration(*, port: int, filter_file: str, upstream: str | None) -> str:
    """Return tinyproxy's configuration: on loopback, closed but to what the filter names."""
    lines = [
        f"Port {port}",
        "Listen 127.0.0.1",
        "Allow 127.0.0.1",
        f"Timeout {TIMEOUT_S}",
        "LogLevel Connect",
        "MaxClients 200",
        "ConnectPort 443",
        "DisableViaHeader Yes",
        "FilterDefaultDeny Yes",
        "FilterType ere",
        f'Filter "{filter_file}"',
    ]
    if upstream:
        lines.append(f"Upstream http {upstream}")
    return "\n".join(lines) + "\n"


def allow_list(hosts: Iterable[str]) -> str:
    """Return tinyproxy's filter: one anchored pattern a host."""
    return "".join(f"^{re.escape(host)}$\n" for host in hosts)


def start(settings: Settings, hosts: Iterable[str]) -> subprocess.Popen[bytes]:
    """Start the proxy. It ends with the process that called."""
    # Not in the state folder: tinyproxy reads them as nobody.
    listed = settings.run_folder / "proxy.hosts"
    written = settings.run_folder / "proxy.conf"
    write_atomically(listed, allow_list(hosts), mode=0o644)
    text = configuration(
        port=settings.proxy_port, filter_file=str(listed), upstream=machine_proxy()
    )
    write_atomically(written, text, mode=0o644)
    with (settings.state / "proxy.log").open("ab") as log:
        # It ends with this process, also when that is killed; a change of user would undo that,
        # so it starts as nobody.
        wrapper = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        return subprocess.Popen(
            [*wrapper, "--pdeathsig=TERM", "tinyproxy", "-d", "-c", str(written)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
