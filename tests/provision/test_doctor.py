"""What doctor says of storages, bridges, interfaces on a wrong VLAN, and of one wrong VMID."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading

import pytest

from provision import doctor
from provision.ssh import Ssh
from provision.storages import described, parse_storage
from provision.wire import GIB
from tests.provision.conftest import TOKEN

# ---------------------------------------------------------------- storages

STORAGES = [
    ("btrfs", "carries provision, growing, snapshot", True),
    ("cifs", "carries provision, growing; not snapshot (make backup does)", True),
    ("dir", "carries provision, growing; not snapshot (make backup does)", True),
    ("lvm", "carries provision, growing; not snapshot (make backup does)", False),
    ("lvmthin", "carries provision, growing, snapshot", True),
    ("nfs", "carries provision, growing; not snapshot (make backup does)", True),
    ("rbd", "carries provision, growing, snapshot", True),
    ("zfspool", "carries provision, growing, snapshot", True),
    ("third",
     "carries provision, growing (if its plugin can), snapshot (if its plugin can)", False),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "is_thin"), STORAGES, ids=[s[0] for s in STORAGES])
def test_a_storage_is_known_by_what_it_can_do(kind, text, is_thin):
    facts = {"storage": "s", "content": "rootdir", "shared": 1}
    here = parse_storage({**facts, "type": kind}, "n")

    assert described(here) == f"{kind}, shared; {text}"
    assert here.is_thin is is_thin
    assert here == parse_storage({**facts, "type": "storage", "plugintype": kind}, "n")


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("cephfs", "choose another lxc_storage: cephfs is not for containers"),
        ("pbs", "choose another lxc_storage: pbs is not for containers"),
        ("nfs", "pvesm set local-lvm --content images,rootdir"),
    ],
)
def test_a_storage_that_takes_no_containers_is_refused_with_what_would_help(
    cluster, healthy, kind, way
):
    cluster.pve.storages["local-lvm"].update(type=kind, content="images")

    assert cluster.run("doctor") == 1
    assert "BAD   storage: local-lvm on pve1 does not take rootdir" in cluster.out
    assert f"Next: {way}\n" in cluster.out


@pytest.mark.parametrize("kind", ["lvm", "lvmthin"])
def test_what_exists_needs_no_space_again(cluster, healthy, kind):
    cluster.pve.storages["local-lvm"]["type"] = kind
    cluster.apply()
    cluster.ct(2156).status = "stopped"
    cluster.pve.storages["local-lvm"]["avail"] = 1

    assert cluster.run("doctor") == 0, cluster.out


@pytest.mark.parametrize(("kind", "code"), [("lvm", 1), ("lvmthin", 0)])
def test_growth_counts_where_the_storage_allocates_it(cluster, healthy, kind, code):
    cluster.pve.storages["local-lvm"]["type"] = kind
    cluster.apply()
    cluster.pve.storages["local-lvm"]["avail"] = 2 * GIB
    cluster.change("web", lxc_disk_gib=6, lxc_mounts=[{"path": "/srv/x", "size_gib": 3}])

    assert cluster.run("doctor") == code, cluster.out
    expected = {
        1: "BAD   storage: local-lvm on pve1 has 2 GiB free, 5G are wanted",
        0: "note  storage: local-lvm on pve1 has 2 GiB free: lvmthin; carries provision, growing, "
        "snapshot; thin, 5G are promised",
    }
    assert expected[code] in cluster.out


def test_plan_says_which_verbs_a_storage_will_carry(cluster):
    cluster.pve.storages["local-lvm"]["type"] = "dir"
    line = "= storage local-lvm on pve1: dir; carries provision, growing; not snapshot"

    assert cluster.run("plan") == 2
    assert line in cluster.out
    cluster.run("plan", "--json")
    (storage,) = json.loads(cluster.out)["storages"]
    assert (storage["type"], storage["can_snapshot"], storage["is_thin"]) == ("dir", False, True)

    cluster.apply()
    assert cluster.run("plan") == 0
    assert "storage" not in cluster.out, "nothing is put on it"
    cluster.change("web", lxc_disk_gib=5)
    cluster.run("plan")
    assert line in cluster.out


def test_no_template_is_wanted_for_what_exists(cluster, healthy):
    cluster.apply()
    cluster.pve.storages["local"]["volumes"].clear()
    healthy["/nodes/{node}/aplinfo"].clear()

    assert cluster.run("doctor") == 0, cluster.out


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize("state", [{"active": 0}, {"active": None}], ids=["0", "missing"])
def test_a_bridge_that_is_not_up_is_named(cluster, healthy, state):
    healthy["/nodes/{node}/network"][0].update(state)

    assert cluster.run("doctor") == 1
    assert "BAD   bridge: vmbr0 on pve1 is configured, but it is not up" in cluster.out


@pytest.mark.parametrize(
    ("now", "place", "path"),
    [
        (",tag=99", "tag 99", "/sdn/zones/localnetwork/vmbr0/99"),
        ("", "without a tag", "/sdn/zones/localnetwork/vmbr0"),
    ],
    ids=["another tag", "no tag"],
)
def test_an_interface_on_a_wrong_network_is_named_with_the_right_that_takes_it_away(
    cluster, healthy, now, place, path
):
    """Proxmox asks for SDN.Use on the old bridge and tag as well as on the new ones."""
    cluster.apply()
    config = cluster.ct(2156).config
    config["net0"] = re.sub(r",tag=\d+", now, config["net0"])
    acl = [(p, held) for p, held in cluster.pve.acl[TOKEN] if not p.startswith("/sdn")]
    cluster.pve.acl[TOKEN] = acl
    for tag in (2028, 2112):
        cluster.pve.grant(TOKEN, f"/sdn/zones/localnetwork/vmbr0/{tag}", "SDN.Use")

    assert cluster.run("doctor") == 1
    assert f"net0 of web is on vmbr0, {place}" in cluster.out
    assert f"pveum acl modify {path} --users ctlv@pve --roles CTLVNetwork && " in cluster.out
    assert f"pveum acl modify {path} --tokens '{TOKEN}' --roles CTLVNetwork\n" in cluster.out

    cluster.pve.grant(TOKEN, path, "SDN.Use")
    assert cluster.run("doctor") == 0, cluster.out
    assert f"too much, on {path}" not in cluster.out, "it is needed once more"


# ---------------------------------------------------------------- one of several


def test_a_stranger_on_one_vmid_hides_nothing_of_the_others(cluster, healthy):
    cluster.pve.add_ct(2156, "stranger")

    assert cluster.run("doctor") == 1
    assert "BAD   VMIDs: VMID 2156 (wanted for web) belongs to a guest" in cluster.out
    assert "ok    VMIDs: 2157 (db) is free" in cluster.out


def test_a_lock_that_was_left_behind_is_named(cluster, healthy):
    cluster.apply()
    cluster.ct(2156).config["lock"] = "backup"

    assert cluster.run("doctor") == 0, cluster.out
    assert "note  VMIDs: 2156 (web) is locked (backup)" in cluster.out


@pytest.mark.parametrize(
    ("path", "subject"),
    [("/nodes/pve1/time", "clock"), ("/cluster/status", "cluster"), ("/nodes/pve1/dns", "DNS")],
)
def test_what_needs_a_right_that_nobody_shall_grant_is_left_out(cluster, healthy, path, subject):
    cluster.pve.fail("GET", path, 403, "Permission check failed (/, Sys.Audit)")

    assert cluster.run("doctor") == 0, cluster.out
    assert f"  {subject}: " not in cluster.out


# ---------------------------------------------------------------- what containers ask others


@pytest.fixture
def asked(healthy, monkeypatch):
    """Which name servers were asked."""
    servers = []
    monkeypatch.setattr(doctor, "problem_of_dns", lambda server: servers.append(server) or "")
    return servers


def test_a_container_without_a_server_of_its_own_asks_its_nodes(cluster, healthy, asked):
    cluster.change("web", lxc_nameserver="192.0.2.1 2001:db8::1")

    assert cluster.run("doctor") == 0, cluster.out
    assert sorted(asked) == ["192.0.2.1", "192.0.2.53", "2001:db8::1"]
    assert "ok    DNS: 192.0.2.53 answers (System, DNS on pve1)" in cluster.out
    assert "ok    DNS: 192.0.2.1 answers (lxc_nameserver)" in cluster.out


def test_a_node_without_a_name_server_is_said_before_a_container_needs_one(cluster, healthy):
    healthy["/nodes/{node}/dns"] = {"search": "example.org"}

    assert cluster.run("doctor") == 1
    assert "BAD   DNS: pve1 names no server, and " in cluster.out
    assert "Next: on pve1: System, DNS; or set lxc_nameserver\n" in cluster.out


def test_a_silent_name_server_is_a_note_for_it_may_answer_containers_alone(
    cluster, healthy, monkeypatch
):
    monkeypatch.setattr(doctor, "problem_of_dns", lambda _: "timed out")

    assert cluster.run("doctor") == 0, cluster.out
    assert (
        "note  DNS: 192.0.2.53 does not answer this machine: timed out\n      Next: " in cluster.out
    )


SERVERS = [
    (bytes.fromhex("1d0181800001000d0000000000000200010000"), ""),
    (bytes.fromhex("1d0181850001000000000000"), "it answers with error 5"),
    (None, "no answer"),
]


@pytest.mark.parametrize(("answer", "problem"), SERVERS, ids=["answers", "refuses", "silent"])
def test_a_name_server_is_asked_who_serves_the_root(monkeypatch, answer, problem):
    monkeypatch.setattr(doctor, "DNS_TIMEOUT_S", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        monkeypatch.setattr(doctor, "DNS_PORT", server.getsockname()[1])
        questions = []

        def serve():
            question, client = server.recvfrom(512)
            questions.append(question)
            if answer:
                server.sendto(answer, client)

        thread = threading.Thread(target=serve)
        thread.start()
        said = doctor.problem_of_dns("127.0.0.1")
        thread.join()

    assert (problem in said) if problem else (said == "")
    # One question, of the root, for its name servers, on the internet.
    assert questions == [bytes.fromhex("1d0101000001000000000000 00 0002 0001")]


TOLD = {
    "gets them": ((0, "deb.example.org"), "ok    packages: web gets them from deb.example.org"),
    "gets none": ((1, "by http://p: E: 503"), "note  packages: web gets none: by http://p: E: 503"),
    "is closed": (
        (255, "Connection refused"),
        "note  SSH: web does not let you in: Connection refused",
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_containers_that_live_are_asked_whether_packages_come(cluster, healthy, monkeypatch, case):
    told, line = TOLD[case]
    asked = []
    monkeypatch.setattr(Ssh, "told_by", lambda _, host, _script: asked.append(host) or told)
    monkeypatch.setattr(Ssh, "known_keys", lambda *_: frozenset({"a key"}))
    assert cluster.run("doctor") == 0, cluster.out
    assert not asked
    cluster.apply()
    cluster.ct(2157).status = "stopped"

    assert cluster.run("doctor") == 0, cluster.out
    assert asked == ["web"]
    assert f"{line}\n" in cluster.out
    assert ("Next: " in cluster.out.partition(line)[2].split("\n")[1]) is bool(told[0])


def test_the_question_about_packages_is_apts_own(tmp_path):
    """With programs in the place of apt's: what it says of a proxy that is not there."""
    (tmp_path / "apt-get").write_text(
        "#!/bin/sh\necho \"'http://deb.example.org/x/InRelease' x 0\"\n"
    )
    (tmp_path / "apt-config").write_text("#!/bin/sh\necho http://192.0.2.9:3128\n")
    for way, code, said in (("true", 0, "deb.example.org"), ("echo E: 503; false", 1, "E: 503")):
        (tmp_path / "apt-helper").write_text(f"#!/bin/sh\n{way}\n")
        for program in tmp_path.iterdir():
            program.chmod(0o755)
        script = doctor.PACKAGES.replace("/usr/lib/apt/", "")
        ended = subprocess.run(
            ["sh", "-s"],
            input=script,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (code, "")
        assert ended.stdout.strip() == (said if not code else f"by http://192.0.2.9:3128: {said}")
