"""The same calls to the lab's API, to a lab with real containers, and to plain fakepve.

The expected answers are those of a real Proxmox VE 9.2 server. Where fakepve answers otherwise the
case says so, and is seen to be otherwise: a new fakepve that was corrected shows here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.certificates import CA_FILE
from lab.settings import REPOSITORY
from tests.lab.labs import LXC, Lab
from tests.lab.support import (
    NODE,
    TEMPLATE,
    Client,
    DictionaryRuntime,
    creation,
    layers,
    served,
    served_plain,
)

STOPPED, RUNNING, MISSING = 100, 101, 109
UPID = f"UPID:{NODE}:00000001:00000002:00000003:vzstart:100:root@pam:"
Check = Callable[[Client], object]


@dataclass(frozen=True)
class Case:
    """One call; `fakepve_differs` when plain fakepve answers otherwise than a real server."""

    call: Check
    expected: object
    fakepve_differs: bool = False
    by_hand: bool = False  # needs more than a lab's token may: root's hand, or what is in no pool


def asked(method: str, path: str, **values: Any) -> Check:
    """Return the status and the reason of an answer."""

    def call(api: Client) -> object:
        answer = api.ask(method, path, **values)
        return answer.status_code, answer.reason

    return call


def wrong(method: str, path: str, **values: Any) -> Check:
    """Return the status of an answer, and the parameters that it finds wrong."""

    def call(api: Client) -> object:
        answer = api.ask(method, path, **values)
        return answer.status_code, sorted(answer.json().get("errors") or {})

    return call


def got(method: str, path: str, **values: Any) -> Check:
    """Return the data of an answer."""
    return lambda api: api.data(method, path, **values)


def ended(method: str, path: str, **values: Any) -> Check:
    """Return how the task that a call starts has ended."""
    return lambda api: api.task(api.data(method, path, **values))[0]


def created(**changes: Any) -> Check:
    """Return the answer to a creation that is as the inventory's but for `changes`."""

    def call(api: Client) -> object:
        answer = api.ask("POST", LXC, **creation(MISSING, ostemplate=api.template, **changes))
        return answer.status_code, answer.reason

    return call


def put_rootfs(api: Client) -> object:
    api.data("PUT", f"{LXC}/{STOPPED}/config", rootfs="local:2")
    kept = api.config(STOPPED)["rootfs"]
    start, _ = api.task(api.data("POST", f"{LXC}/{STOPPED}/status/start"))
    destroy, _ = api.task(api.data("DELETE", f"{LXC}/{STOPPED}"))
    return kept, start == "OK", destroy == "OK"


def failed_tasks(api: Client) -> object:
    api.task(api.data("POST", f"{LXC}/{MISSING}/status/start"))
    found = api.data("GET", f"/nodes/{NODE}/tasks", errors=1)
    return {task["status"] == "OK" for task in found}


def running_in_list(api: Client) -> object:
    runs = api.data("GET", f"/nodes/{NODE}/tasks")
    return [task for task in runs if "status" not in task]


def description(api: Client) -> object:
    api.data("PUT", f"{LXC}/{STOPPED}/config", description="two\nlines")
    return api.config(STOPPED)["description"]


def tags(api: Client) -> object:
    api.data("PUT", f"{LXC}/{STOPPED}/config", tags="Lab ctlv,a;a")
    return api.config(STOPPED)["tags"]


def stale_digest(api: Client) -> object:
    answer = api.ask("PUT", f"{LXC}/{STOPPED}/config", memory=600, digest="0" * 40)
    return answer.status_code, answer.reason.startswith("detected modified configuration - ")


def new_mac(api: Client) -> object:
    nic = "name=eth0,bridge=vmbr0,tag=2028,ip=198.18.28.30/24"
    before = api.config(STOPPED)["net0"]
    api.data("PUT", f"{LXC}/{STOPPED}/config", net0=nic)
    return api.config(STOPPED)["net0"].split("hwaddr=")[1][:17] == before.split("hwaddr=")[1][:17]


def changed(vmid: int, *changes: dict[str, Any], seen: str) -> Check:
    """Return what waits of the key `seen` after each of some changes."""

    def call(api: Client) -> object:
        found = []
        for change in changes:
            api.data("PUT", f"{LXC}/{vmid}/config", **change)
            found.append(layers(api, vmid, seen))
        return found

    return call


def shown(api: Client) -> object:
    """Return the name server that GET config tells of, with and without `current`."""
    api.data("PUT", f"{LXC}/{RUNNING}/config", nameserver="198.18.28.1")
    both = [
        api.data("GET", f"{LXC}/{RUNNING}/config", **view).get("nameserver")
        for view in ({}, {"current": 1})
    ]
    api.data("PUT", f"{LXC}/{RUNNING}/config", revert="nameserver")
    return both


def mount_option(api: Client) -> object:
    """Return a mount, as it waits and as it is, that gets an option and then grows; what waits when
    it is given back as it is, in Proxmox's order of keys and in another."""
    path = f"{LXC}/{RUNNING}"
    api.data("PUT", f"{path}/config", mp0="local:1,mp=/srv")
    volume = api.config(RUNNING)["mp0"].split(",")[0]
    api.data("PUT", f"{path}/config", mp0=f"{volume},mp=/srv,backup=1,size=1G")
    api.done("PUT", f"{path}/resize", disk="mp0", size="2G")
    both = layers(api, RUNNING, "mp0")
    api.data("PUT", f"{path}/config", mp0=f"{volume},mp=/srv,size=2G")
    same = layers(api, RUNNING, "mp0")
    api.data("PUT", f"{path}/config", mp0=f"{volume},size=2G,mp=/srv")
    turned = layers(api, RUNNING, "mp0")
    api.data("PUT", f"{path}/config", revert="mp0")
    return [
        {layer: text.removeprefix(volume) for layer, text in found.items()}
        for found in (both, same, turned)
    ]


def mount_order(api: Client) -> object:
    api.data("PUT", f"{LXC}/{STOPPED}/config", mp1="local:1,mp=/x,backup=1,acl=1")
    return api.config(STOPPED)["mp1"].split(",")[1:]


def put_back(api: Client) -> object:
    """Return the answer to a NIC that root had put on tag 99, and what became of the memory."""
    ct = api.pve.ct(STOPPED)
    ours = ct.config["net0"]
    ct.config["net0"] = ours.replace("tag=2028", "tag=99")
    answer = api.ask("PUT", f"{LXC}/{STOPPED}/config", net0=ours, memory=600)
    return answer.status_code, answer.reason, api.config(STOPPED)["memory"]


def trunks(api: Client) -> object:
    nic = "name=eth0,bridge=vmbr0,hwaddr=02:00:00:00:00:01,trunks=2028;2111-2112"
    answer = api.ask("PUT", f"{LXC}/{STOPPED}/config", net0=nic)
    return answer.status_code, answer.reason


def ha_resource(api: Client) -> object:
    """Return the answer to one that is of no guest, and what is listed after one that is."""
    root = api.as_root()
    absent = root.ask("POST", "/cluster/ha/resources", sid="ct:9").reason
    root.data("POST", "/cluster/ha/resources", sid=f"ct:{STOPPED}", state="stopped")
    listed = [item["sid"] for item in root.data("GET", "/cluster/ha/resources")]
    status = api.data("GET", f"{LXC}/{STOPPED}/status/current")["ha"]
    return absent, listed, status


def ha_rule(api: Client) -> object:
    rule = {"rule": "near", "type": "node-affinity", "resources": "ct:9", "nodes": NODE}
    return api.as_root().ask("POST", "/cluster/ha/rules", **rule).reason


def forbidden(tag: int) -> str:
    return f"Permission check failed (/sdn/zones/localnetwork/vmbr0/{tag}, SDN.Use)"


RESOLVER = "198.18.28.1"
ONLY_ROOT = "Only root can pass arbitrary filesystem paths."
CASES = {
    # facts-proxmox.md, section 3: what fakepve wrongly accepts
    "rootfs with a unit": Case(
        created(rootfs="local:1G"), (500, "unable to parse directory volume name '1G'"), True
    ),
    "rootfs that is only a storage": Case(created(rootfs="local"), (500, ONLY_ROOT), True),
    "rootfs that is only a size": Case(
        created(rootfs="1", storage="local"), (500, ONLY_ROOT), True
    ),
    "empty hostname": Case(
        wrong("POST", LXC, **creation(MISSING, hostname="")), (400, ["hostname"]), True
    ),
    "invalid SSH key": Case(
        created(**{"ssh-public-keys": "ssh-ed25519 nonsense"}),
        (500, "SSH public key validation error"),
        True,
    ),
    "template that is not on the storage": Case(
        ended("POST", LXC, **creation(MISSING, ostemplate="local:vztmpl/no_1_amd64.tar.zst")),
        f"unable to create CT {MISSING} - volume 'local:vztmpl/no_1_amd64.tar.zst' does not exist",
    ),
    "download of an unknown template": Case(
        wrong("POST", f"/nodes/{NODE}/aplinfo", storage="local", template="no_1_amd64.tar.zst"),
        (400, ["template"]),
        True,
    ),
    "rootfs changed by PUT": Case(put_rootfs, ("local:2", False, False), True),
    # ... and what it answers otherwise
    "unknown path": Case(
        asked("GET", "/nowhere"), (501, "Method 'GET /nowhere' not implemented"), True
    ),
    "unknown method": Case(
        asked("POST", f"{LXC}/{STOPPED}/config", memory=600),
        (501, f"Method 'POST {LXC}/{STOPPED}/config' not implemented"),
        True,
    ),
    "bad UPID": Case(wrong("GET", f"/nodes/{NODE}/tasks/nonsense/status"), (400, ["upid"]), True),
    "unknown UPID": Case(wrong("GET", f"/nodes/{NODE}/tasks/{UPID}/status"), (400, ["upid"]), True),
    "log of an unknown task": Case(
        got("GET", f"/nodes/{NODE}/tasks/{UPID}/log"),
        [{"n": 1, "t": "unable to open file - No such file or directory"}],
        True,
    ),
    "description": Case(description, "two\nlines\n", True),
    "conversion to a template": Case(got("POST", f"{LXC}/{STOPPED}/template"), None, True),
    "failed tasks": Case(failed_tasks, {False}, True, by_hand=True),
    "bridges": Case(
        lambda api: [
            item["iface"] for item in api.data("GET", f"/nodes/{NODE}/network", type="any_bridge")
        ],
        ["vmbr0"],
        True,
    ),
    "interfaces of a missing container": Case(
        got("GET", f"{LXC}/{MISSING}/interfaces"), None, True, by_hand=True
    ),
    # section 1: where both are right
    "running tasks are hidden": Case(running_in_list, []),
    "resources of a type that is none": Case(
        wrong("GET", "/cluster/resources", type="lxc"), (400, ["type"]), True
    ),
    "VMID that is taken": Case(
        asked("POST", LXC, **creation(STOPPED)),
        (500, f"CT {STOPPED} already exists on node '{NODE}'"),
    ),
    "next VMID that is taken": Case(
        wrong("GET", "/cluster/nextid", vmid=STOPPED), (400, ["vmid"])
    ),
    "Python's True": Case(
        wrong("PUT", f"{LXC}/{STOPPED}/config", onboot="True"), (400, ["onboot"]), True
    ),
    "tag 0": Case(
        wrong("POST", LXC, **creation(MISSING, net0="name=eth0,bridge=vmbr0,tag=0")),
        (400, ["net0"]),
    ),
    "tag 4095": Case(
        wrong("POST", LXC, **creation(MISSING, net0="name=eth0,bridge=vmbr0,tag=4095")),
        (400, ["net0"]),
    ),
    "privileged container": Case(
        created(unprivileged=0), (403, "Permission check failed (/, Sys.Modify)")
    ),
    "nothing to change": Case(
        asked("PUT", f"{LXC}/{STOPPED}/config"), (500, "no options specified")
    ),
    "stale digest": Case(stale_digest, (500, True)),
    "tags": Case(tags, "a;ctlv;lab"),
    "NIC without a MAC gets another": Case(new_mac, False),
    "unknown key to delete": Case(
        wrong("PUT", f"{LXC}/{STOPPED}/config", delete="nonsense"), (400, ["delete"])
    ),
    "absent key to delete": Case(
        got("PUT", f"{LXC}/{STOPPED}/config", delete="searchdomain"), None
    ),
    "required key to delete": Case(
        asked("PUT", f"{LXC}/{STOPPED}/config", delete="memory"),
        (500, "unable to delete required option 'memory'"),
    ),
    "start of a running container": Case(
        asked("POST", f"{LXC}/{RUNNING}/status/start"), (500, f"CT {RUNNING} already running")
    ),
    "stop of a stopped container": Case(
        asked("POST", f"{LXC}/{STOPPED}/status/stop"), (500, f"CT {STOPPED} not running")
    ),
    "reboot of a stopped container": Case(
        asked("POST", f"{LXC}/{STOPPED}/status/reboot"), (500, f"VM {STOPPED} not running")
    ),
    "start of a missing container": Case(
        ended("POST", f"{LXC}/{MISSING}/status/start"),
        f"Configuration file 'nodes/{NODE}/lxc/{MISSING}.conf' does not exist",
        by_hand=True,
    ),
    "interfaces of a stopped container": Case(got("GET", f"{LXC}/{STOPPED}/interfaces"), None),
    "shrinking a disk": Case(
        asked("PUT", f"{LXC}/{STOPPED}/resize", disk="rootfs", size="1G"),
        (500, "unable to shrink disk size"),
    ),
    "same size": Case(
        asked("PUT", f"{LXC}/{STOPPED}/resize", disk="rootfs", size="4G"),
        (500, "disk is already at specified size"),
    ),
    "destroying a running container": Case(
        asked("DELETE", f"{LXC}/{RUNNING}"),
        (500, f"unable to destroy CT {RUNNING} - container is running"),
    ),
    "destroying a missing container": Case(
        asked("DELETE", f"{LXC}/{MISSING}"),
        (500, f"Configuration file 'nodes/{NODE}/lxc/{MISSING}.conf' does not exist"),
        by_hand=True,
    ),
    "unknown node": Case(
        lambda api: api.ask("GET", "/nodes/nowhere/lxc").status_code, 500
    ),
    # section 4: pending has two layers
    "deletion of what only waits": Case(
        changed(
            RUNNING,
            {"nameserver": RESOLVER}, {"delete": "nameserver"}, {"revert": "nameserver"},
            seen="nameserver",
        ),
        [{"pending": RESOLVER}, {"pending": RESOLVER}, {}],
        True,
    ),
    "deletion of what waits to change": Case(
        changed(
            RUNNING,
            {"features": "nesting=0"}, {"delete": "features"}, {"revert": "features"},
            seen="features",
        ),
        [
            {"value": "nesting=1", "pending": "nesting=0"},
            {"value": "nesting=1", "pending": "nesting=0", "delete": 1},
            {"value": "nesting=1"},
        ],
        True,
    ),
    "value that equals the present one": Case(
        changed(
            RUNNING, {"features": "nesting=0"}, {"features": "nesting=1"}, seen="features"
        ),
        [{"value": "nesting=1", "pending": "nesting=0"}, {"value": "nesting=1"}],
    ),
    "digest among what waits": Case(
        lambda api: layers(api, RUNNING, "digest") == {"value": api.config(RUNNING)["digest"]},
        True,
        True,
    ),
    "configuration with and without what waits": Case(shown, [RESOLVER, None]),
    "mount that gets an option and grows": Case(
        mount_option,
        [
            {"value": ",mp=/srv,size=2G", "pending": ",mp=/srv,backup=1,size=1G"},
            {"value": ",mp=/srv,size=2G"},
            {"value": ",mp=/srv,size=2G", "pending": ",size=2G,mp=/srv"},
        ],
    ),
    "order of a mount's keys": Case(
        mount_order, ["mp=/x", "acl=1", "backup=1", "size=1G"], True
    ),
    # section 4: SDN.Use of the old NIC and of the new one
    "NIC that root had put on another tag": Case(
        put_back, (403, forbidden(99), 512), True, by_hand=True
    ),
    # section 4: high availability
    "resource of HA": Case(
        ha_resource,
        (
            "resource 'ct:9' does not exist in cluster",
            [f"ct:{STOPPED}"],
            {"managed": 1, "state": "stopped"},
        ),
        True, by_hand=True,
    ),
    "rule of HA": Case(ha_rule, "cannot use unmanaged resource(s) ct:9.", True, by_hand=True),
    "rule of HA with an unknown key": Case(
        lambda api: [*api.as_root().ask(
            "POST", "/cluster/ha/rules", rule="new", type="node-affinity",
            resources="ct:9", nodes=NODE, wings=1,
        ).json().get("errors", {})],
        ["wings"],
        True, by_hand=True,
    ),
    "groups of HA": Case(
        lambda api: api.as_root().ask("GET", "/cluster/ha/groups").reason,
        "cannot index groups: ha groups have been migrated to rules",
        True, by_hand=True,
    ),
    "cluster's status without Sys.Audit": Case(
        asked("GET", "/cluster/status"), (403, "Permission check failed (/, Sys.Audit)"), True
    ),
    "rights on a path": Case(
        lambda api: [*api.data("GET", f"/access/permissions?path=/vms/{STOPPED}")],
        [f"/vms/{STOPPED}"],
        True,
    ),
    "NIC with trunks": Case(trunks, (403, forbidden(2111)), True),
}  # fmt: skip


def furnish(api: Client, template: str) -> Client:
    """Make the two containers the cases speak of, and put the server's own template in place."""
    api.template = template
    for vmid, address in ((STOPPED, 30), (RUNNING, 31)):
        nic = f"name=eth0,bridge=vmbr0,tag=2028,ip=198.18.28.{address}/24"
        api.done("POST", LXC, **creation(vmid, ostemplate=template, net0=nic))
    api.done("POST", f"{LXC}/{RUNNING}/status/start")
    return api


@pytest.fixture
def lab_api(tmp_path: Path) -> Iterator[Client]:
    with served(DictionaryRuntime(), tmp_path) as pve:
        yield furnish(Client(pve.url, tmp_path / CA_FILE, pve=pve), f"local:vztmpl/{TEMPLATE}")


@pytest.fixture
def plain_api(tmp_path: Path) -> Iterator[Client]:
    with served_plain(tmp_path) as pve:
        yield furnish(Client(pve.url, tmp_path / CA_FILE, pve=pve), f"local:vztmpl/{TEMPLATE}")


@pytest.mark.parametrize("name", CASES)
def test_the_labs_api_answers_as_proxmox(lab_api: Client, name: str) -> None:
    assert CASES[name].call(lab_api) == CASES[name].expected


@pytest.mark.parametrize("name", CASES)
def test_fakepve_answers_as_it_is_known_to(plain_api: Client, name: str) -> None:
    case = CASES[name]
    try:
        found = case.call(plain_api)
    except AssertionError as refused:
        found = refused

    assert (found != case.expected) == case.fakepve_differs, found


def test_each_difference_of_fakepve_is_listed_with_its_reason() -> None:
    page = (REPOSITORY / "docs/lab-contract.md").read_text()
    listed = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)[1:]

    assert listed == [name for name, case in CASES.items() if case.fakepve_differs]


@pytest.mark.lab
@pytest.mark.xdist_group("lab")
def test_a_lab_answers_as_proxmox(make_lab: Callable[[], Lab]) -> None:
    """All on one lab of its own: some cases leave a container that nobody can remove."""
    lab = make_lab()
    lab.up()
    api = furnish(lab.api, lab.template())
    cases = {name: case for name, case in CASES.items() if not case.by_hand}
    ordered = sorted(cases, key=lambda name: name in DESTRUCTIVE)

    found = {name: cases[name].call(api) for name in ordered}

    assert found == {name: case.expected for name, case in cases.items()}
    lab.remove()


# The stopped container is of no use after these.
DESTRUCTIVE = ("conversion to a template", "rootfs changed by PUT")
