"""`make metrics`: what a site's own Prometheus and Grafana must know of us, in build/metrics/ENV/.

    python -m rollout.metrics --env ENV

scrape.yml: whom to ask, from the inventory. rules.yml: an alert for each cause of role watch; what
is one is judged on the hosts alone, and Prometheus reads it. board.json: a board for Grafana.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import yaml

from provision import files
from provision.arguments import Parser
from provision.desired import desired
from provision.environment import ROOT
from provision.errors import OperatorError, failing_as
from provision.inventory import Inventory, load
from rollout.board import board

CAUSES = ROOT / "ansible/roles/watch/files/causes.json"
EVERY_S = 20
# The watch looks as often; what is older than a few looks is none.
SILENT_AFTER_S = 120
# Job: groups, port. The inventory opens them (base_open_ports).
JOBS = {
    "ctlv-agenda": (("web", "rest"), 80),
    "ctlv-host": (("edge", "web", "rest", "database"), 9100),
    "ctlv-nginx": (("web", "rest"), 9113),
    "ctlv-mariadb": (("database",), 9104),
    "ctlv-haproxy": (("edge",), 8404),
}


def scrape(inventory: Inventory) -> dict[str, Any]:
    """Whole as it stands for scrape_config_files (2.43 and later), or to copy the entries from."""
    return {
        "scrape_configs": [
            {
                "job_name": f"{job}-{inventory.environment}",
                "scrape_interval": f"{EVERY_S}s",
                "static_configs": list(targets(inventory, job)),
            }
            for job in JOBS
            if list(targets(inventory, job))
        ]
    }


def targets(inventory: Inventory, job: str) -> Iterator[dict[str, Any]]:
    groups, port = JOBS[job]
    for host in dict.fromkeys(name for group in groups for name in inventory.groups.get(group, ())):
        nics = {nic["network"]: nic["address"] for nic in inventory.hosts[host]["lxc_nics"]}
        labels = {"job": job, "instance": host, "environment": inventory.environment}
        yield {"targets": [f"{ip_interface(nics['private']).ip}:{port}"], "labels": labels}


def rules(environment: str, causes: dict[str, str]) -> dict[str, Any]:
    """An alert for each cause; that it is one, and is over, was seen twice on the host already."""
    return {
        "groups": [
            {
                "name": f"ctlv-{environment}",
                "rules": [rule(environment, *cause) for cause in causes.items()],
            }
        ]
    }


def rule(environment: str, cause: str, next_step: str) -> dict[str, Any]:
    of_us = f'environment="{environment}"'
    expression = f'ctlv_cause{{{of_us},cause="{cause}"}} == 1'
    patience = {}
    if cause == "silent":
        # A watch that says nothing cannot say so itself.
        expression += f' or up{{{of_us},job=~"ctlv-.+"}} == 0'
        expression += f" or time() - ctlv_watch_at_seconds{{{of_us}}} > {SILENT_AFTER_S}"
        patience = {"for": "1m"}
    what = "{{ or $labels.subject $labels.job }}"
    return {
        "alert": f"Ctlv{cause.capitalize()}",
        "expr": expression,
        **patience,
        "labels": {"cause": cause},
        "annotations": {"summary": "{{ $labels.instance }}: " + what, "next": next_step},
    }


def write(inventory: Inventory, folder: Path) -> list[Path]:
    """Raises OperatorError where no Prometheus may ask."""
    if not inventory.hosts[min(inventory.hosts)].get("metrics_scrapers"):
        environment = inventory.environment
        raise OperatorError(
            f"metrics_scrapers of {environment} is empty: nothing is counted, nobody may ask",
            next_step="name your Prometheus's addresses in VLAN 2112 in "
            f"inventory/{environment}/group_vars/all/metrics.yml, then make deploy",
        )
    folder.mkdir(parents=True, exist_ok=True)
    causes = json.loads(CAUSES.read_text("utf-8"))
    texts = {
        "scrape.yml": as_yaml(scrape(inventory)),
        "rules.yml": as_yaml(rules(inventory.environment, causes)),
        "board.json": json.dumps(board(), indent=1),
    }
    for name, text in texts.items():
        files.write_atomically(folder / name, text, mode=files.PUBLIC)
    return [folder / name for name in texts]


def as_yaml(content: dict[str, Any]) -> str:
    return "# Made by `make metrics`.\n" + yaml.safe_dump(content, sort_keys=False, width=200)


def main() -> None:
    parser = Parser(prog="python -m rollout.metrics", description="For Prometheus and Grafana.")
    parser.add_environment(default="lab")
    environment = parser.parse().env
    with failing_as("metrics"):
        inventory = load(environment, root=ROOT)
        desired(inventory)  # what is mistaken there is said before it is written
        for path in write(inventory, ROOT / "build/metrics" / environment):
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
