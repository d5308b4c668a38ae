"""A lab as a whole: killed, stopped, removed, beside another; its network and its way out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.lxc import CGROUPS
from lab.settings import REPOSITORY, RUN
from lab.templates import cached, unpack
from tests.lab.labs import LXC, NEIGHBOUR, NO_LXCFS, PRIVATE, WEB, free_port, wait_until
from tests.lab.support import NODE, creation

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab")]
SECOND_NIC = f"name=eth1,bridge=vmbr0,tag=2112,ip={PRIVATE}/24"
DATABASE_NIC = "name=eth1,bridge=vmbr0,tag=2112,ip=198.18.112.157/24"


def ran(*words: str, timeout_s: float = 20) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=timeout_s)


def in_namespace(namespace: str, *words: str) -> subprocess.CompletedProcess[str]:
    return ran("ip", "netns", "exec", namespace, *words)


def answers(namespace: str, address: str, port: int) -> bool:
    """Return whether a TCP connection from inside a namespace succeeds."""
    probe = ["timeout", "3", "socat", "-u", "OPEN:/dev/null", f"TCP:{address}:{port}"]
    return in_namespace(namespace, *probe).returncode == 0


# ---------------------------------------------------------------------- killed


def test_the_lab_takes_over_containers_when_its_process_was_killed(lab):
    lab.create(description="mark")
    lab.api.data("PUT", f"{LXC}/2156/config", tags="ctlv;lab")
    lab.start()
    boot = lab.says("stat -c %Z /proc/1")
    before = lab.api.config(2156)

    lab.kill_api()
    lab.up()

    assert lab.api.config(2156) == before
    assert lab.api.state(2156) == "running"
    assert lab.says("stat -c %Z /proc/1") == boot
    lab.api.done("POST", f"{LXC}/2156/status/stop")


def test_the_package_proxy_ends_with_a_killed_lab(lab):
    proxy = ran("pgrep", "-f", f"tinyproxy.*{RUN / lab.name}/proxy.conf").stdout.split()
    assert len(proxy) == 1

    lab.kill_api()
    wait_until(lambda: not Path(f"/proc/{proxy[0]}/cmdline").read_bytes())
    lab.up()


def test_containers_that_were_killed_with_the_lab_start_again(lab):
    lab.create(onboot=0)
    lab.start()
    lab.ssh("echo kept > /root/file; sync")
    lab.create(2157, net0=f"name=eth0,bridge=vmbr0,tag=2028,ip={NEIGHBOUR}/24")

    lab.kill_api()
    lab.kill_containers()
    lab.up()
    lab.wait_for_ssh()

    assert lab.says("cat /root/file") == "kept"
    assert {lab.api.state(2156), lab.api.state(2157)} == {"running", "stopped"}


def test_a_container_whose_monitor_was_killed_is_started_anew(lab):
    lab.create()
    lab.start()
    monitor = ran("pgrep", "-f", f"lxc monitor. {RUN / lab.name}/lxc").stdout.split()

    lab.kill_api()
    os.kill(int(monitor[0]), signal.SIGKILL)
    lab.up()
    lab.wait_for_ssh()

    assert lab.api.state(2156) == "running"
    # Not NAME-1: whoever asks what it uses looks into those of its name.
    assert cgroups(lab) == {f"lxc.{kind}.{lab.name}-2156" for kind in ("monitor", "payload")}


@pytest.mark.parametrize("delay_s", [0.0, 0.03, 0.06, 0.1])
def test_a_creation_cut_at_any_moment_leaves_a_whole_container_or_none(lab, delay_s):
    values = creation(ostemplate=lab.template(), **{"ssh-public-keys": lab.public_key})
    lab.api.data("POST", LXC, **values)
    time.sleep(delay_s)
    lab.kill_api()
    lab.up()

    if not lab.api.data("GET", LXC):
        assert not (lab.state / "images/2156").exists()
        lab.create()
    lab.start()
    assert lab.says("systemctl is-system-running --wait") == "running"


def test_a_snapshot_cut_at_any_moment_does_not_hold_the_disk(lab):
    lab.create()
    lab.start()
    lab.ssh("dd if=/dev/urandom of=/root/big bs=1M count=300 status=none; sync")
    lab.api.data("POST", f"{LXC}/2156/snapshot", snapname="s1")
    time.sleep(0.15)
    lab.kill_api()
    lab.up()

    assert lab.says("echo written > /root/x; sync; cat /root/x") == "written"
    lab.api.data("GET", f"{LXC}/2156/snapshot")
    assert not list((lab.state / "images/2156").glob("*.partial"))


def test_free_tells_the_truth_again_after_lxcfs_was_killed(lab):
    if not lab.lxcfs_serves():
        pytest.skip(NO_LXCFS)
    lab.create()
    lab.start()
    os.kill(int((RUN / lab.name / "lxcfs.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: lab.ssh("free", check=False).returncode != 0)

    lab.up()

    assert lab.says("free -m | awk '/Mem/ {print $2}'") == "512"


def test_a_repeated_up_changes_nothing(lab):
    before = lab.facts

    lab.up()

    assert lab.facts == before


def test_a_host_that_has_another_address_since_is_led_to_there(lab):
    """The inventory is this repository's: so the lab is told that it led elsewhere."""
    told = lab.facts
    elsewhere = told | {"forwards": dict.fromkeys(told["forwards"], "198.18.28.9:80")}
    (lab.state / "lab.json").write_text(json.dumps(elsewhere))

    lab.up()

    assert lab.facts["forwards"] == told["forwards"]
    assert lab.facts["pid"] != told["pid"]


# ---------------------------------------------------------------------- network


def test_the_two_networks_do_not_meet_and_this_machine_has_no_way_into_them(lab):
    lab.create(net1=SECOND_NIC)
    lab.create(2157, net0=DATABASE_NIC)
    lab.start()
    lab.api.done("POST", f"{LXC}/2157/status/start")
    wait_until(lambda: answers(lab.facts["netns"], WEB, 22))
    vantage = lab.facts["vantage_netns"]

    assert answers(vantage, WEB, 22)
    assert not answers(vantage, "198.18.112.157", 22)
    assert lab.ssh("timeout 3 bash -c '</dev/tcp/198.18.112.157/22'").returncode == 0
    # Through a route over the web container, too.
    added = ["ip", "-n", vantage, "route", "add", "198.18.112.0/24", "via", WEB]
    removed = ["ip", "-n", vantage, "route", "del", "198.18.112.0/24"]
    assert ran(*added).returncode == 0
    try:
        assert not answers(vantage, "198.18.112.157", 22)
    finally:
        ran(*removed)
    assert "198.18." not in ran("ip", "-4", "address").stdout
    assert "198.18." not in ran("ip", "-4", "route").stdout
    for name in ("all", "default"):
        flags = in_namespace(lab.facts["netns"], "sysctl", "-n", f"net.ipv4.conf.{name}.forwarding")
        assert flags.stdout.strip() == "0"


def test_nothing_of_the_lab_listens_beyond_loopback(lab):
    listening = ran("ss", "-H", "-ltnp").stdout.splitlines()
    pids = [lab.facts["pid"]]
    pids += map(int, ran("pgrep", "-f", f"{RUN / lab.name}/proxy.conf").stdout.split())

    own = [line for line in listening if any(f"pid={pid}," in line for pid in pids)]

    assert len(own) >= 4
    assert {line.split()[3].rsplit(":", 1)[0] for line in own} == {"127.0.0.1"}


def test_a_forward_carries_bytes_and_breaks_when_nobody_is_there(lab):
    port = lab.ports[0]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as near:
        assert refused(near)

    lab.create()
    lab.start()
    serve = "systemd-run --quiet python3 -m http.server --directory /etc/apt 80"
    lab.ssh(serve)
    wait_until(lambda: answers(lab.facts["netns"], WEB, 80))
    got = ran("curl", "-s", "-m", "5", f"http://127.0.0.1:{port}/")

    assert "sources.list" in got.stdout


def refused(near: socket.socket) -> bool:
    try:
        near.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return near.recv(10) == b""
    except ConnectionError:
        return True


def test_packages_come_through_the_proxy_and_nothing_else_does(lab):
    """The template has this machine's certificates, and no proxy."""
    lab.create()
    lab.start()
    proxy = lab.facts["package_proxy"]
    here = sorted(p.name for p in Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    assert lab.says("ls /usr/local/share/ca-certificates").split() == here
    assert "Proxy" not in lab.says("apt-config dump Acquire::http")

    update = "-o APT::Update::Error-Mode=any -o Acquire::http::Proxy={proxy} update"
    assert lab.ssh(f"apt-get {update.format(proxy=proxy)}").returncode == 0
    fetch = "import urllib.request as u; print(u.urlopen('http://www.example.org/').status)"
    other = lab.ssh(f'http_proxy={proxy} python3 -c "{fetch}"', check=False)
    assert "403" in other.stderr
    assert lab.ssh("timeout 3 bash -c '</dev/tcp/192.0.2.1/80'", check=False).returncode != 0


def test_two_labs_with_equal_addresses_do_not_cross(lab, make_lab):
    other = make_lab()
    other.up()
    for one in (lab, other):
        one.create(hostname=f"in-{one.name}")
        one.start()

    for one in (lab, other):
        assert one.says("hostname") == f"in-{one.name}"
        assert [ct["name"] for ct in one.api.data("GET", LXC)] == [f"in-{one.name}"]
    answer = lab.api.session.get(other.api.url + "/version", verify=other.facts["ca_file"])
    assert answer.status_code == 401, "one lab's token opens the other"

    other.api.done("DELETE", f"{LXC}/2156", force=1)
    assert lab.says("hostname") == f"in-{lab.name}"
    other.remove()
    assert lab.says("hostname") == f"in-{lab.name}"


# ---------------------------------------------------------------------- verbs


def test_another_port_is_taken_up_down_keeps_the_data_and_reset_gives_all_back(make_lab):
    """Found by `make up` after a reset: the new containers' keys were not the recorded ones."""
    lab, ids = make_lab(), Path("/etc/subuid").read_text()
    lab.up()
    assert Path("/etc/subuid").read_text() != ids
    lab.create(protection=1, description="mark")
    lab.start()
    lab.ssh("echo kept > /root/file")
    boot = lab.says("stat -c %Z /proc/1")

    lab.ports[2] = free_port()
    lab.up()

    assert lab.facts["api_port"] == lab.ports[2]
    assert lab.api.state(2156) == "running"
    assert lab.says("stat -c %Z /proc/1") == boot

    lab.verb("down")
    assert traces(lab) == []

    lab.verb("up")
    lab.wait_for_ssh()
    assert lab.says("cat /root/file") == "kept"
    assert lab.api.config(2156)["protection"] == 1

    (lab.state / "known_hosts").write_text("of containers that are no more\n")
    (lab.state / "backups").mkdir()
    ended = lab.verb("reset", "--keep-templates")
    assert traces(lab) == []
    assert [place.name for place in lab.state.iterdir()] == ["backups"]
    assert f"Kept in {lab.state}, because they are not the lab's: backups" in ended.stdout
    assert Path("/etc/subuid").read_text() == ids


def cgroups(lab) -> set[str]:
    """Return the names of its containers' cgroups, of version 1 or 2."""
    mark = f"lxc.*.{lab.name}-*"
    return {place.name for place in (*CGROUPS.glob(mark), *CGROUPS.glob(f"*/{mark}"))}


def traces(lab) -> list[str]:
    """Return what this machine still has of a lab, from mounts to cgroups: what is about to end,
    such as a program of a container that was stopped, has ten seconds.
    """
    for _ in range(20):
        if not (found := traces_now(lab)):
            break
        time.sleep(0.5)
    return found


def traces_now(lab) -> list[str]:
    name = lab.name
    found = [line for line in Path("/proc/self/mounts").read_text().splitlines() if name in line]
    found += [line for line in ran("ip", "netns").stdout.splitlines() if line.startswith(name)]
    for words in (f"{RUN}/{name}/", f"lab serve --state {lab.state}"):
        found += ran("pgrep", "-f", words).stdout.split()
    found += [str(place) for place in (RUN / name,) if place.exists()]
    return found + sorted(cgroups(lab))


def test_a_port_that_is_taken_is_said_before_anything_is_touched(make_lab):
    lab = make_lab()
    with socket.create_server(("127.0.0.1", lab.ports[2])):
        web, rest, api = map(str, lab.ports)
        said = lab.verb(
            "up", "--name", lab.name, "--api-port", api, "--web-port", web, "--rest-port", rest,
            check=False,
        )  # fmt: skip

    assert said.returncode == 1
    assert said.stderr.startswith(f"lab: port {api} on 127.0.0.1 is taken\n  Next: ")
    assert len(said.stderr.strip().splitlines()) == 2
    assert traces(lab) == []
    assert list(lab.state.iterdir()) == []


def test_a_name_in_use_is_refused_and_the_other_lab_left_alone(lab, make_lab):
    other = make_lab()
    other.name = lab.name
    with pytest.raises(subprocess.CalledProcessError) as error:
        other.up()

    assert f"a lab named '{lab.name}' already lives in {lab.state}" in error.value.stderr
    assert list(other.state.iterdir()) == []
    other.remove()
    assert lab.api.data("GET", "/version")


def test_a_lab_whose_folder_was_deleted_can_still_be_removed(make_lab):
    lab = make_lab()
    ids = Path("/etc/subuid").read_text()
    lab.up()
    lab.create()
    lab.start()
    shutil.rmtree(lab.state)

    lab.verb("reset", "--keep-templates")

    assert traces(lab) == []
    assert not lab.state.exists()
    assert Path("/etc/subuid").read_text() == ids


def listed(lab):
    return lab.api.data("GET", f"/nodes/{NODE}/storage/local/content", content="vztmpl")


def test_debian_12_is_built_when_it_is_asked_for_and_boots(lab):
    assert "debian-12" not in str(listed(lab)) or cached(12)
    lab.verb("up", "--template", "12")
    assert "debian-12" in str(listed(lab))

    lab.create(ostemplate=lab.template(12), ostype="debian")
    lab.start()

    assert lab.says("cat /etc/debian_version").startswith("12.")
    assert lab.says("systemctl is-system-running --wait") == "running"


def test_containers_created_at_once_wait_for_one_unpacked_template(shared_lab, tmp_path):
    assert shared_lab.template(13)  # it is built

    def ask(_: int) -> Path:
        return unpack(cached(13), into=tmp_path, id_base=1_000_000)

    with ThreadPoolExecutor(3) as pool:
        trees = set(pool.map(ask, range(3)))

    assert len(trees) == 1
    assert (trees.pop() / "usr/bin/python3").exists()


def test_an_up_that_was_killed_at_any_moment_is_completed_by_the_next(make_lab):
    lab = make_lab()
    for delay_s in (0.4, 1.5):
        command = lab.command("up", *lab.up_options)
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as cut:
            time.sleep(delay_s)
            cut.kill()

    lab.up()

    lab.create()
    lab.start()
    assert len(ran("pgrep", "-f", f"lab serve --state {lab.state}").stdout.split()) == 1
    lab.remove()
    assert traces(lab) == []
