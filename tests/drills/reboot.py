"""`make drill-reboot`: restart every container, in both orders, and prove that all comes back."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills.cluster import Cluster, boot_and_state, waited
from tests.drills.consent import add_arguments, ask
from tests.infra.site import ROOT, Host, Site, read_site

SERVES_WITHIN_S = 60
GROUPS = ("database", "rest", "web")


def orders(site: Site) -> list[list[Host]]:
    """Database first, and database last."""
    hosts = [host for group in GROUPS for host in site.of(group)]
    return [hosts, hosts[::-1]]


def serves(url: str) -> bool:
    """The sign-in page comes; what it does not need (rows, sound) verify proves afterwards."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def restart(cluster: Cluster, host: Host, url: str) -> str:
    """One container; returns the line that says how long it took."""
    before, _ = boot_and_state(cluster.site, host)
    began = time.monotonic()
    cluster.restart(host)
    cluster.wait_until_back(host, booted_before=before)
    back_s = time.monotonic() - began
    waited(lambda: serves(url), what=f"{url} to answer", limit_s=SERVES_WITHIN_S)
    served_s = time.monotonic() - began
    return f"  {host.name}: running after {back_s:.1f} s, served after {served_s:.1f} s"


def verify(site: Site) -> None:
    """In a process of its own: pytest does not run twice in one."""
    command = [sys.executable, "-m", "tests.infra", "--env", site.environment, "--quick"]
    if subprocess.run(command, cwd=ROOT, check=False, timeout=300).returncode != 0:
        raise OperatorError("not everything came back", "read the proof that failed above")


def run(site: Site) -> None:
    cluster = Cluster(site)
    for order in orders(site):
        print(f"Restarting {', then '.join(host.name for host in order)}:", flush=True)
        for host in order:
            print(restart(cluster, host, site.url), flush=True)
        verify(site)


def main() -> int:
    parser = Parser(prog="python -m tests.drills.reboot", description=__doc__)
    add_arguments(parser)
    given = parser.parse()
    began = time.monotonic()
    try:
        ask(given, drill="drill-reboot", what="restarts every container, twice")
        run(read_site(given.env))
    except OperatorError as error:
        print(error, file=sys.stderr)
        return 1
    took_s = time.monotonic() - began
    print(f"drill-reboot {given.env}: all came back in both orders, in {took_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
