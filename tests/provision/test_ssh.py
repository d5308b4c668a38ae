"""Proof by SSH: what `apply` does with what a container's sshd offers, or does not offer.

A program named ssh stands on PATH for the real one: it writes the keys that a host "offers" where
ssh would. The real one, with real containers, is in tests/lab and on the road.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from provision import ssh as ssh_module
from provision.apply import Worker
from provision.desired import desired
from provision.ssh import fingerprint, route
from tests.provision.conftest import PUBLIC_KEY
from tests.provision.situations import inventory

KEYS = {host: "ssh-ed25519 " + base64.b64encode(f"key of {host}".encode()).decode()
        for host in ("web", "db", "other")}  # fmt: skip
# ssh -F FILE -o KEY=VALUE ... HOST true
PROGRAM = """#!/bin/sh
for word in "$@"; do
  case $word in UserKnownHostsFile=*) file=${word#*=} ;; esac
  host=$previous previous=$word
done
echo "$host" >> "FOLDER/asked"
[ -e "FOLDER/hang" ] && exec sleep 30
if [ ! -e "FOLDER/$host" ]; then
  echo "connect to host $host port 22: Connection refused" >&2
  exit 255
fi
cat "FOLDER/$host" > "$file"
echo "root@$host: Permission denied (publickey)." >&2
exit 255
"""


class Hosts:
    """What each host offers; `offer` makes its sshd answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def offer(self, host: str, key: str = "") -> None:
        (self.folder / host).write_text(f"alias-of-{host} {key or KEYS[host]}\n")

    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def hosts(cluster, tmp_path, monkeypatch):
    """Both containers are proven by SSH; Proxmox reports their keys as it creates them."""
    folder, programs = tmp_path / "offers", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    (programs / "ssh").write_text(PROGRAM.replace("FOLDER", str(folder)))
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for host in ("web", "db"):
        cluster.change(host, lxc_wait="ssh")
    original = cluster.pve.task
    names = {"2156": "web", "2157": "db"}

    async def task(node, kind, *args, **kwargs):
        if kind == "vzcreate":
            key = KEYS[names[str(args[0])]]
            kwargs["log"] = [
                "Creating SSH host key 'ssh_host_ed25519_key' - this may take some time ...",
                f"done: {fingerprint(key)} root@x",
            ]
        return await original(node, kind, *args, **kwargs)

    monkeypatch.setattr(cluster.pve, "task", task)
    return Hosts(folder)


def known(cluster):
    file = cluster.state / "known_hosts"
    return file.read_text() if file.exists() else ""


def test_the_keys_that_proxmox_reported_are_recorded_and_proof_is_ssh(cluster, hosts):
    hosts.offer("web")
    hosts.offer("db")

    assert cluster.apply() == 0, cluster.out

    assert cluster.out.count("created, started  ssh") == 2
    assert known(cluster).splitlines() == [
        f"0123456789abcdef-lab-{host} {KEYS[host]}" for host in sorted(("db", "web"), reverse=True)
    ]
    asked = hosts.asked()
    assert cluster.apply() == 0
    assert hosts.asked() == asked, "what is proven is not asked again"


def test_the_container_behind_another_waits_for_it(cluster, hosts, monkeypatch):
    hosts.offer("db")
    wait = Worker.wait_for_jumps

    def seen(worker):
        """web's sshd answers only once db has come to wait for it."""
        if worker.wanted.host == "db":
            threading.Timer(0.2, hosts.offer, ["web"]).start()
        wait(worker)

    monkeypatch.setattr(Worker, "wait_for_jumps", seen)
    cluster.apply()

    *before, last = hosts.asked()
    assert last == "db"
    assert set(before) == {"web"}
    assert "db: waiting for web" in cluster.err


def test_a_wait_that_runs_out_leaves_the_container_and_the_next_run_goes_on(cluster, hosts):
    hosts.offer("web")
    assert cluster.apply("--wait-timeout", "0.3") == 1
    assert "db: no SSH at 198.18.112.157 after 0 s (connect to host db port 22" in cluster.out
    assert "Next: the container itself is valid" in cluster.out
    assert [ct.status for ct in cluster.pve.cts] == ["running", "running"]
    assert cluster.run("plan") == 0

    hosts.offer("db")
    cluster.forget_calls()
    assert cluster.apply() == 0
    assert cluster.writes() == [], "only the proof was missing"
    assert KEYS["db"] in known(cluster)


def test_other_proofs_may_be_asked_for(cluster, hosts):
    assert cluster.apply("--wait", "none") == 0
    assert cluster.out.count("created, started  none") == 2
    assert hosts.asked() == []


def test_another_key_than_the_reported_one_is_refused(cluster, hosts):
    """Somebody in between, or somebody else's machine on this address."""
    hosts.offer("web", KEYS["other"])
    hosts.offer("db")

    assert cluster.apply() == 1

    assert "web: the host key at 198.18.28.156 is not the one Proxmox reported" in cluster.out
    assert fingerprint(KEYS["other"]) in cluster.out
    assert "make trust ENV=lab NAME=web FINGERPRINT=SHA256:" in cluster.out
    assert "-lab-web " not in known(cluster)


def test_a_key_that_changed_is_shown_and_never_accepted_by_itself(cluster, hosts):
    hosts.offer("web")
    hosts.offer("db")
    cluster.apply()
    before = known(cluster)
    hosts.offer("web", KEYS["other"])
    cluster.change("web", lxc_cores=2)

    assert cluster.apply() == 1
    assert "web: the host key at 198.18.28.156 has changed: SHA256:" in cluster.out
    assert known(cluster) == before

    assert cluster.run("trust", "web", "--fingerprint", fingerprint(KEYS["other"])) == 0
    assert cluster.apply() == 0
    assert KEYS["web"] not in known(cluster)


def test_destroy_forgets_the_key_of_the_destroyed_only(cluster, hosts):
    hosts.offer("web")
    hosts.offer("db")
    cluster.apply()

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0
    assert KEYS["web"] not in known(cluster)
    assert KEYS["db"] in known(cluster)


def test_an_ssh_that_hangs_is_given_up(cluster, hosts, monkeypatch):
    monkeypatch.setattr(ssh_module, "CONNECT_TIMEOUT_S", 0.1)
    (hosts.folder / "hang").touch()
    began = time.monotonic()

    assert cluster.apply("--wait-timeout", "0.5") == 1
    assert "(no answer)" in cluster.out
    assert time.monotonic() - began < 25


def test_a_creation_that_nobody_remembers_cannot_vouch_for_a_key(cluster, hosts):
    """An adopted container, or one whose task log was thrown away."""
    cluster.apply("--wait", "running")
    cluster.pve.tasklog.clear()
    hosts.offer("web")
    hosts.offer("db")

    assert cluster.apply() == 1
    assert "cannot be checked: no log of its creation" in cluster.out


def test_the_newest_creation_counts(cluster, hosts):
    """VMID 2156 was made twice: the first log's key is of no use."""
    cluster.apply("--wait", "running")
    cluster.run("destroy", "--yes", "--stop")
    cluster.apply("--wait", "running")
    hosts.offer("web")
    hosts.offer("db")

    assert cluster.apply() == 0, cluster.out


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not an SSH public key"),
        ("ssh-ed25519 AAAA nonsense\n", "is not an SSH public key"),
        (f"-----BEGIN OPENSSH {'PRIVATE'} KEY-----\nabc\n", "is not an SSH public key"),
        (f"{PUBLIC_KEY}\n# fine so far\nssh-ed25519 AAAA\n", "key 2 of 2 in "),
        ("\xff\xfe", "cannot be read: 'utf-8' codec"),
    ],
    ids=["empty", "damaged", "the private half", "one damaged of two", "no text"],
)
def test_what_is_no_public_key_stops_before_anything_is_made(cluster, text, problem):
    (cluster.state / "id_ed25519.pub").write_text(text, encoding="latin-1")

    assert cluster.apply() == 1
    assert problem in cluster.out + cluster.err
    assert cluster.pve.cts == []


def test_a_key_that_is_missing_is_said_once_and_before_the_question(cluster):
    (cluster.state / "id_ed25519.pub").unlink()

    assert cluster.run("apply") == 1
    assert cluster.err.count("cannot be read") == 1
    assert "nobody is there to ask" not in cluster.err
    assert cluster.writes() == []


def test_a_key_in_the_home_of_nobody_is_said(cluster):
    for host in ("web", "db"):
        cluster.change(host, lxc_ssh_public_key_file="~no.such.user/key.pub")

    assert cluster.apply() == 1
    assert "home of a user who does not exist" in cluster.err


@pytest.mark.parametrize("name", ["known_hosts", "ssh_config", ".ssh.lock"])
def test_a_folder_where_a_file_belongs_is_said(cluster, name):
    for host in ("web", "db"):
        cluster.change(host, lxc_wait="ssh")
    cluster.apply("--wait", "none")
    for file in cluster.state.glob(name):
        file.unlink()
    (cluster.state / name).mkdir()

    assert cluster.apply("--wait-timeout", "0.1") == 1
    assert "cannot be read or written" in cluster.out + cluster.err
    assert "  Next: " in cluster.out + cluster.err


def test_lines_of_others_are_kept_whatever_their_bytes(cluster, hosts):
    hosts.offer("web")
    hosts.offer("db")
    (cluster.state / "known_hosts").write_bytes(b"caf\xe9 ssh-ed25519 AAAA\n")

    assert cluster.apply() == 0, cluster.out + cluster.err
    assert (cluster.state / "known_hosts").read_bytes().startswith(b"caf\xe9 ssh-ed25519 AAAA\n")


def test_a_machine_without_ssh_says_so(cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert cluster.apply() == 1
    assert "ssh-keygen cannot be run: No such file or directory" in cluster.err
    assert cluster.writes() == []


def test_comments_and_several_keys_are_taken(cluster):
    (cluster.state / "id_ed25519.pub").write_text(f"# me\n{PUBLIC_KEY}\n\n{PUBLIC_KEY}2\n")

    assert cluster.apply() == 0


def test_the_config_names_addresses_alias_and_jump(cluster, hosts):
    hosts.offer("web")
    hosts.offer("db")
    cluster.apply()
    text = (cluster.state / "ssh_config").read_text()

    assert "Host web 198.18.28.156 198.18.112.156\n" in text
    assert "Host db 198.18.112.157\n" in text
    assert "  ProxyJump web\n" in text
    assert "  HostKeyAlias 0123456789abcdef-lab-db\n" in text
    assert text.count("StrictHostKeyChecking yes") == 2
    assert (cluster.state / "ssh_config").stat().st_mode & 0o777 == 0o600


def test_the_config_follows_the_inventory_also_when_no_container_changes(cluster, hosts):
    hosts.offer("web")
    hosts.offer("db")
    cluster.apply()
    config = cluster.state / "ssh_config"
    right = config.read_text()
    config.write_text("Host before\n")
    cluster.apply()
    assert config.read_text() == right


def test_the_way_to_the_database_is_the_first_that_lives(tmp_path):
    """The program that ssh is told to start, with one that knows who lives in the place of ssh."""
    (tmp_path / "ssh").write_text(
        '#!/bin/sh\nfor last; do :; done\necho "$last $*" >>"$0.asked"\n'
        '[ "$last" = second ] && echo "SSH-2.0 by $last"\n'
    )
    (tmp_path / "ssh").chmod(0o755)
    wanted = desired(inventory()).containers[1]
    ssh = SimpleNamespace(config=tmp_path / "a folder/ssh_config")
    way = route(ssh, replace(wanted, jumps=("web", "second", "third")))["ProxyCommand"]
    command = "exec " + way.replace("%h:%p", "198.18.112.157:22")
    said = subprocess.run(
        ["sh", "-c", command],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    assert said.stdout == "SSH-2.0 by second\n"
    asked = (tmp_path / "ssh.asked").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["web", "second"]
    assert "a folder/ssh_config -o ConnectTimeout=2 -W 198.18.112.157:22 web" in asked[0]


def test_a_key_file_that_cannot_be_read_is_named(cluster):
    (cluster.state / "id_ed25519.pub").unlink()

    assert cluster.apply() == 1
    assert "cannot be read: No such file or directory" in cluster.out + cluster.err


def test_two_writers_of_known_hosts_lose_nothing(cluster, hosts):
    """Threads and processes record at once: one line a host, each of them kept."""
    hosts.offer("web")
    hosts.offer("db")
    (cluster.state / "known_hosts").write_text("elsewhere ssh-ed25519 AAAA\n\nbroken\n")
    cluster.apply()

    lines = known(cluster).splitlines()
    assert lines[0] == "elsewhere ssh-ed25519 AAAA"
    assert len([line for line in lines if "-lab-" in line]) == 2


def test_the_folders_of_programs_that_were_killed_are_removed_and_no_others(tmp_path):
    """A restore that was killed left its control sockets in /tmp for ever."""
    left = tmp_path / f"{ssh_module.SOCKETS}{2**22 + 1}-abc"  # above the kernel's PID_MAX_LIMIT
    others = [f"{ssh_module.SOCKETS}{os.getpid()}-abc", f"{ssh_module.SOCKETS}x-abc", "ctlv-9-abc"]
    for folder in (left, *(tmp_path / name for name in others)):
        (folder / "below").mkdir(parents=True)
    ssh_module.remove_left_folders(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_a_connections_folder_tells_whose_it_is(tmp_path):
    connections = ssh_module.Connections(tmp_path / "ssh_config")
    assert connections.folder.name.startswith(f"{ssh_module.SOCKETS}{os.getpid()}-")
    connections.close()
    assert not connections.folder.exists()


JUMPING = """\
Host bastion.example.org
  BatchMode yes
  StrictHostKeyChecking yes
"""


def test_a_bastion_is_the_way_to_all_containers_that_are_no_way_themselves(cluster, hosts):
    for host in ("web", "db"):
        cluster.change(host, lxc_ssh_jump="eve@bastion.example.org:2222")
    hosts.offer("web")
    hosts.offer("db")
    assert cluster.apply() == 0, cluster.out
    text = (cluster.state / "ssh_config").read_text()
    web, db = text.split("\nHost ")[1:3]
    assert "  ProxyJump eve@bastion.example.org:2222\n" in web
    assert "  ProxyJump web\n" in db
    assert JUMPING in text


@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ("exit 0", "ok    SSH jump: eve@bastion:2222 lets you through"),
        ("echo 'This account is for jumps.'; exit 1", "ok    SSH jump"),
        (
            "echo refused >&2; exit 255",
            "BAD   SSH jump: eve@bastion:2222 does not let you through: ",
        ),
    ],
)
def test_doctor_tries_the_bastion(cluster, tmp_path, monkeypatch, script, verdict):
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for host in ("web", "db"):
        cluster.change(host, lxc_ssh_jump="eve@bastion:2222")
    cluster.run("doctor")
    assert verdict in cluster.out
    assert (tmp_path / "asked").read_text().endswith("-p 2222 eve@bastion exit\n")
