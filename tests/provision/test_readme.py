"""The pveum lines of docs/cluster.md are those that doctor prints for srv-px5 as it is."""

from __future__ import annotations

from pathlib import Path

from provision.desired import desired
from provision.inventory import load
from provision.rights import pveum_commands

ROOT = Path(__file__).parents[2]


def test_the_page_on_clusters_prints_what_doctor_prints():
    lines = (ROOT / "docs/cluster.md").read_text("utf-8").splitlines()
    shown = [line.strip() for line in lines if line.startswith(("   pveum ", "   # "))]
    wanted = desired(load("srv-px5", root=ROOT))
    assert shown == pveum_commands(wanted, "ctlv@pve", "provision")
