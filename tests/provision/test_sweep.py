"""Random pairs of inventories, and hands between them: nothing is refused, all is there at the end.

The server keeps what waits in Proxmox's two layers and asks each right (lab/pending.py).
"""

from __future__ import annotations

import os
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from provision.actual import read
from provision.apply import Context, Options, apply
from provision.cli import Session, parser
from provision.plan import plan
from tests.provision.situations import containers, created, desired_of, wanted

# 300 take about a minute of CPU: SWEEP_PAIRS=300.
PAIRS = int(os.environ.get("SWEEP_PAIRS", "60"))
VMID, NODE = 2156, "pve1"
# What root's `pct set` leaves waiting on a running container, and what it changes at once.
WAITING = st.fixed_dictionaries(
    {},
    optional={
        "nameserver": st.sampled_from(["8.8.8.8", "9.9.9.9"]),
        "searchdomain": st.just("example.net"),
        "features": st.sampled_from(["nesting=1", "nesting=0"]),
        "tty": st.just("4"),
        "delete": st.lists(
            st.sampled_from(["features", "nameserver", "startup", "mp0", "mp1", "tty"]),
            unique=True,
            min_size=1,
        ).map(",".join),
        "mp0": st.sampled_from([",backup=1", ",ro=1", ",size=1M", ""]),
    },
)
AT_ONCE = st.fixed_dictionaries(
    {},
    optional={
        "cores": st.just(3),
        "memory": st.just(99),
        "onboot": st.just(1),
        "net0": st.sampled_from(["tag=7", "mtu=1300", "firewall=1", "rate=3", "trunks=5;6"]),
        "net7": st.just("name=eth7,bridge=vmbr0,tag=9,hwaddr=02:00:00:00:00:07,type=veth"),
    },
)


class Silent:
    """Nobody logs in here."""

    def write_config(self):
        pass

    def known_keys(self, _host):
        return True


def put_there(cluster, container, *, running, at_once, waiting):
    """The container as Proxmox has it once it was created, then what hands made of it."""
    config = created(container)
    config |= {key: value for key, value in at_once.items() if key != "net0"}
    if option := at_once.get("net0"):
        name = option.partition("=")[0]
        kept = [part for part in config["net0"].split(",") if not part.startswith(f"{name}=")]
        config["net0"] = ",".join([*kept, option])
    pending = dict(waiting) if running else {}
    if option := pending.pop("mp0", None):
        pending |= (
            {"mp0": re.sub(",size=[^,]+", "", config["mp0"]) + option} if "mp0" in config else {}
        )
    goes = [key for key in sorted(pending.pop("delete", "").split(",")) if key in config]
    pending |= {"delete": ",".join(goes)} if goes else {}
    cluster.pve.cts.clear()
    ct = cluster.pve.add_ct(VMID, node=NODE, config=config, pending=pending, defaults=False)
    ct.status = "running" if running else "stopped"
    return ct


def converge(cluster, api, target, *, reboot=False):
    desired = desired_of(wanted(target))
    planned = plan(desired, read(api, desired), reboot=reboot)
    context = Context(
        api=api, desired=desired, ssh=Silent(), options=Options(reboot=reboot), templates={},
        on_event=lambda _: None,
    )  # fmt: skip
    results = apply(planned, context)
    ct = cluster.ct(VMID)
    errors = [str(result.error) for result in results if result.error]
    assert errors == [], (ct.config, ct.pending, target)
    return plan(desired, read(api, desired))


def macs(config):
    nics = [value for key, value in config.items() if re.fullmatch(r"net\d+", key)]
    return {re.search("name=([^,]+)", nic)[1]: re.search("hwaddr=([^,]+)", nic)[1] for nic in nics}


def volumes(config):
    mounts = [value for key, value in config.items() if re.fullmatch(r"mp\d+", key)]
    return {re.search("mp=([^,]+)", mount)[1]: mount.partition(",")[0] for mount in mounts}


@pytest.fixture
def answered(cluster, monkeypatch):
    """Every answer that was a refusal."""
    refused = []
    original = cluster.pve._answer

    async def answer(request, *args):
        response = await original(request, *args)
        if response.status >= 400:
            refused.append((request.method, request.path, response.status, response.reason))
        return response

    monkeypatch.setattr(cluster.pve, "_answer", answer)
    return refused


@pytest.fixture
def api(cluster):
    cluster.pve.grant("ctlv@pve!test", "/sdn/zones/localnetwork/vmbr1", "SDN.Use")
    return Session(parser().parse_args(["plan", "--env", "lab"])).api


def test_any_inventory_becomes_any_other_whatever_hands_did_meanwhile(cluster, api, answered):
    @settings(
        max_examples=PAIRS, phases=[Phase.generate], database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(containers(hwaddr=False), containers(hwaddr=False), st.booleans(), AT_ONCE, WAITING)
    def pair(before, after, running, at_once, waiting):
        before = replace(before, vmid=VMID, node=NODE)
        after = replace(after, vmid=VMID, node=NODE, hostname=before.hostname, mark=before.mark)
        ct = put_there(cluster, before, running=running, at_once=at_once, waiting=waiting)
        was = dict(ct.config)
        answered.clear()

        left = converge(cluster, api, after)
        if before.protection and not after.protection:
            # What protection held back is another apply's.
            left = converge(cluster, api, after)

        assert answered == []
        assert not left.has_moves, left
        ends = converge(cluster, api, after, reboot=True)
        assert answered == []
        assert not ends.has_moves, ends
        assert ct.pending == {}
        now = ct.config
        for kept in (macs, volumes):
            before_it, after_it = kept(was), kept(now)
            both = before_it.keys() & after_it.keys()
            assert {key: after_it[key] for key in both} == {key: before_it[key] for key in both}
        if {mount.path for mount in after.mounts} >= volumes(was).keys():
            assert not [key for key in now if key.startswith("unused")]

    pair()
