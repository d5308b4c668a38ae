"""Our provisioner beside community.proxmox in a playbook and beside the bare work: ratios.

In one run, on a lab of its own, three containers are created, looked at and changed by each of
- ours: `python -m provision apply` and `plan`, a process each, inventory reading included;
- playbook: community.proxmox.proxmox of the pinned ansible, the three hosts in parallel, no facts;
- floor: the same disks, the same lxc.conf and lxc-start, typed by hand: no API and no client.
A creation ends when SSH answers on all three. Ratios are of the best rounds: what else a machine
does only ever adds.

    python -m tests.bench.provision [--rounds 5] [--only-plan] [--keep]

`--keep` writes its sections of docs/bench.md, with commit and date.
"""

from __future__ import annotations

import ipaddress
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from fakepve import FakeCt

from lab import guest, lxcconfig, machine, settings
from lab.certificates import CA_FILE
from lab.settings import POOL
from provision.arguments import Parser, whole
from provision.desired import desired
from provision.inventory import load
from provision.plan import numbered
from tests.bench.document import machine_line, replace_section
from tests.lab.support import TOKEN, DictionaryRuntime, served
from tests.provision.situations import created

ROOT = Path(__file__).parents[2]
ATTACH_NIC = ROOT / "lab/attach-nic"
ANSIBLE = ROOT / ".venv/bin/ansible-playbook"
HOSTS = {f"bench-{n}": (2190 + n, f"198.18.28.{190 + n}") for n in (1, 2, 3)}
MANY = (3, 50, 1000)
MANY_NETWORK = ipaddress.IPv4Network("198.18.28.0/22")
# Of ten million turns, on the kind of machine that the aim was set for.
IDLE_LOOP_S = 0.25
MEMORY_MIB, MORE_MEMORY_MIB = 512, 768
TIMEOUT_S = 900.0
# Waits in the lab's namespace until every address greets as SSH does.
PROBE = """
import socket, sys, time
for address in sys.argv[1:]:
    while True:
        try:
            with socket.create_connection((address, 22), timeout=0.3) as line:
                line.settimeout(2)
                if line.recv(4) == b"SSH-":
                    break
        except OSError:
            time.sleep(0.01)
"""
# Another root for inventory/lab, nothing else.
OURS = "import sys, pathlib; from provision import cli; cli.ROOT = pathlib.Path(sys.argv[1]); "
OURS += "sys.exit(cli.main(sys.argv[2:]))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A lab that is up, and a folder for inventories and playbooks."""

    state: Path
    work: Path
    times: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    # Of `plan`, by the number of containers.
    requests: dict[int, int] = field(default_factory=dict)

    @property
    def lab(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.state / "lab.json").read_text())
        return facts

    def timed(self, name: str, action: Callable[[], object]) -> float:
        began, before = time.perf_counter(), cpu_s()
        action()
        took, cpu = time.perf_counter() - began, cpu_s() - before
        self.times.setdefault(name, []).append(took)
        self.cpu.setdefault(name, []).append(cpu)
        print(f"  {name:<18} {took:6.2f} s   {cpu:5.2f} s CPU", flush=True)
        return took

    def best(self, name: str) -> float:
        return min(self.times[name])

    def median(self, name: str) -> float:
        return statistics.median(self.times[name])

    def best_cpu(self, name: str) -> float:
        return min(self.cpu[name])

    # ---------------------------------------------------------------- ours

    def ours(self, verb: str, *words: str, expect: int = 0) -> None:
        command = [sys.executable, "-c", OURS, str(self.work), verb, "--env", "lab", *words]
        variables = {**os.environ, "CTLV_LAB_STATE": str(self.state)}
        ended = subprocess.run(
            command, cwd=ROOT, env=variables, check=False, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=TIMEOUT_S,
        )  # fmt: skip
        if ended.returncode != expect:
            sys.exit(f"bench: {verb} exited {ended.returncode}\n{ended.stdout}{ended.stderr}")

    def write_inventory(
        self, hosts: dict[str, tuple[int, str]], *, prefix: int = 24, **common: Any
    ) -> None:
        """The shipped lab's containers.yml for other hosts, all of them on the campus network."""
        folder = self.work / "inventory/lab"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "inventory/lab/group_vars/all", folder / "group_vars/all")
        file = folder / "group_vars/all/containers.yml"
        values = yaml.safe_load(file.read_text()) | {"lxc_memory_mib": MEMORY_MIB} | common
        file.write_text(yaml.safe_dump(values))
        listed = {
            host: {
                "lxc_vmid": vmid,
                "ansible_host": address,
                "lxc_nics": [
                    {"name": "eth0", "network": "campus", "address": f"{address}/{prefix}"}
                ],
            }
            for host, (vmid, address) in hosts.items()
        }
        tree = {"all": {"children": {"containers": {"hosts": listed}}}}
        (folder / "hosts.yml").write_text(yaml.safe_dump(tree))

    # ---------------------------------------------------------------- the playbook

    def playbook(self, memory_mib: int) -> None:
        folder = self.work / "playbook"
        folder.mkdir(exist_ok=True)
        lab = self.lab
        user, _, token = str(lab["token_id"]).partition("!")
        access = {
            "api_host": lab["api_host"],
            "api_port": lab["api_port"],
            "api_user": user,
            "api_token_id": token,
            "api_token_secret": "{{ lookup('ansible.builtin.env', 'BENCH_SECRET') }}",
            "validate_certs": True,
            "node": lab["node"],
            "vmid": "{{ vmid }}",
            "timeout": 120,
        }
        wanted = {
            "hostname": "{{ inventory_hostname }}",
            "ostemplate": f"local:vztmpl/{self.template_name()}",
            "unprivileged": True,
            "features": ["nesting=1"],
            "disk": "local:4",
            "cores": 1,
            "memory": memory_mib,
            "swap": 512,
            "onboot": True,
            "pool": POOL,
            "pubkey": (self.state / "id_ed25519.pub").read_text().strip(),
            "netif": {"net0": f"{NIC},ip={{{{ address }}}}/24,gw=198.18.28.1"},
        }
        module = "community.proxmox.proxmox"
        tasks = [
            {"name": "Create", module: access | wanted | {"state": "present"}},
            {"name": "Start", module: access | {"state": "started"}},
        ]
        play = {"name": "Containers", "hosts": "all", "gather_facts": False, "connection": "local"}
        (folder / "play.yml").write_text(yaml.safe_dump([play | {"tasks": tasks}]))
        hosts = {h: {"vmid": vmid, "address": a} for h, (vmid, a) in HOSTS.items()}
        python = {"ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": hosts, "vars": python}}
        (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
        (folder / "ansible.cfg").write_text("[defaults]\n")
        variables = {
            **os.environ,
            "BENCH_SECRET": str(lab["token_secret"]),
            "REQUESTS_CA_BUNDLE": str(lab["ca_file"]),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "LC_ALL": "C.UTF-8",
        }
        command = [str(ANSIBLE), "--inventory", "hosts.yml", "play.yml"]
        ended = subprocess.run(
            command, cwd=folder, env=variables, check=False, capture_output=True, text=True,
            timeout=TIMEOUT_S,
        )  # fmt: skip
        if ended.returncode != 0:
            sys.exit(f"bench: the playbook failed\n{ended.stdout}{ended.stderr}")

    def template_name(self) -> str:
        content = self.ask("/nodes/{node}/storage/local/content?content=vztmpl")
        return str(content[-1]["volid"]).rpartition("/")[2]

    def ask(self, path: str) -> Any:
        import requests  # noqa: PLC0415 # the bench's only plain call

        lab = self.lab
        answer = requests.get(
            f"{lab['api_url']}/api2/json{path.format(node=lab['node'])}",
            headers={"Authorization": f"PVEAPIToken={lab['token_id']}={lab['token_secret']}"},
            verify=str(lab["ca_file"]),
            timeout=30,
        )
        answer.raise_for_status()
        return answer.json()["data"]

    # ---------------------------------------------------------------- SSH

    def wait_for_ssh(self) -> None:
        addresses = [address for _, address in HOSTS.values()]
        inside = ["nsenter", f"--net=/run/netns/{self.lab['netns']}"]
        command = [*inside, sys.executable, "-c", PROBE, *addresses]
        subprocess.run(command, check=True, timeout=120)


NIC = "name=eth0,bridge=vmbr0,tag=2028"


def cpu_s() -> float:
    """What all ended children have computed: hardly touched by whoever else uses the machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---------------------------------------------------------------- by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """One container, as somebody would make it who types mkfs, mount and lxc-start."""

    kept: settings.Settings
    folder: Path
    vmid: int
    address: str
    host: str
    host_key: Path
    archive: Path
    is_unpacked: bool

    @property
    def name(self) -> str:
        return f"{self.kept.name}-hand-{self.vmid}"

    @property
    def rootfs(self) -> Path:
        return self.folder / self.name / "rootfs"

    @property
    def disk(self) -> Path:
        return self.folder / self.name / "disk"

    def make(self) -> None:
        """As the lab's disks: an image with XFS, overlay on the template; or a whole unpacking."""
        self.rootfs.mkdir(parents=True)
        self.disk.mkdir()
        image = self.disk.with_suffix(".img")
        with image.open("wb") as file:
            file.truncate(4 * guest.GIB)
        words("mkfs.xfs", "-q", "-K", "-m", "reflink=0", image)
        words("mount", "-o", "loop", image, self.disk)
        os.chown(self.disk, self.kept.id_base, self.kept.id_base)
        if self.is_unpacked:
            self.unpack()
        else:
            self.overlay()
        self.personalise()

    def overlay(self) -> None:
        for part in ("upper", "work"):
            (self.disk / part).mkdir()
            os.chown(self.disk / part, self.kept.id_base, self.kept.id_base)
        tree = unpacked_template(self.kept)
        layers = f"lowerdir={tree},upperdir={self.disk}/upper,workdir={self.disk}/work"
        words("mount", "-t", "overlay", "-o", layers, "overlay", self.rootfs)

    def unpack(self) -> None:
        words("mount", "--bind", self.disk, self.rootfs)
        ids = f"0:{self.kept.id_base}:65536"
        inside = ("lxc-usernsexec", "-m", f"u:{ids}", "-m", f"g:{ids}", "--")
        tar = ("tar", "--extract", "--zstd", "--numeric-owner", "--exclude=./dev/*")
        with self.archive.open("rb") as stream:
            command = [*inside, *tar, f"--directory={self.rootfs}"]
            subprocess.run(command, check=True, stdin=stream, timeout=300)

    def personalise(self) -> None:
        made = guest.parse_guest(
            self.vmid,
            {
                "hostname": self.host,
                "memory": MEMORY_MIB,
                "cores": 1,
                "features": "nesting=1",
                "net0": f"{NIC},ip={self.address}/24,gw=198.18.28.1,hwaddr=02:00:00:00:01:"
                f"{self.vmid % 256:02x}",
            },
        )
        files = {
            "etc/ssh/ssh_host_ed25519_key": self.host_key.read_text(),
            "etc/hostname": self.host,
            "etc/hosts": guest.hosts_file(made),
            "etc/network/interfaces": guest.interfaces_file(made),
        }
        for path, text in files.items():
            file = self.rootfs / path
            file.write_text(text)
            os.chown(file, self.kept.id_base, self.kept.id_base)
        (self.rootfs / "etc/ssh/ssh_host_ed25519_key").chmod(0o600)
        around = lxcconfig.Surroundings(
            lab=self.kept.name,
            netns=self.kept.netns,
            id_base=self.kept.id_base,
            rootfs=self.rootfs,
            disks=self.disk,
            attach_nic=ATTACH_NIC,
        )
        text = lxcconfig.render(made, machine.look(), around)
        (self.folder / self.name / "config").write_text(text)

    def start(self) -> None:
        config = self.folder / self.name / "config"
        words("lxc-start", "-n", self.name, "-P", self.folder, "-f", config, "-d")

    def remove(self) -> None:
        where = ("-n", self.name, "-P", self.folder)
        subprocess.run(["lxc-stop", *where, "--kill"], check=False, capture_output=True, timeout=60)
        for place in (self.rootfs, self.disk):
            subprocess.run(["umount", place], check=False, capture_output=True, timeout=60)
        shutil.rmtree(self.folder / self.name, ignore_errors=True)


def unpacked_template(kept: settings.Settings) -> Path:
    trees = (kept.state / "templates").glob("debian-*")
    return max(tree for tree in trees if (tree / "etc").is_dir())


def words(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=300)


def by_hand(bench: Bench, *, is_unpacked: bool) -> None:
    """Three at once, timed from the first command to SSH on all of them; then removed."""
    kept = settings.load(bench.state)
    assert kept is not None
    key = bench.work / "host_key"
    if not key.exists():
        words("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    folder = kept.run_folder / "hand"
    folder.mkdir(exist_ok=True)
    os.chown(folder, 0, kept.id_base)
    folder.chmod(0o710)
    name, _, recipe = unpacked_template(kept).name.rpartition("-")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ctlv/templates"
    made = [
        ByHand(
            kept=kept, folder=folder, vmid=vmid, address=address, host=host, host_key=key,
            archive=cache / recipe / f"{name}.tar.zst", is_unpacked=is_unpacked,
        )
        for host, (vmid, address) in HOSTS.items()
    ]  # fmt: skip

    def all_of_it() -> None:
        with ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(lambda one: (one.make(), one.start()), made))
        bench.wait_for_ssh()

    try:
        bench.timed("floor, unpacking" if is_unpacked else "floor, overlay", all_of_it)
    finally:
        for one in made:
            one.remove()


# ---------------------------------------------------------------- the run


def one_round(bench: Bench) -> None:
    by_hand(bench, is_unpacked=False)
    by_hand(bench, is_unpacked=True)
    bench.write_inventory(HOSTS)
    bench.timed("ours, create", lambda: bench.ours("apply", "--yes"))
    bench.timed("ours, no-op", lambda: bench.ours("apply", "--yes"))
    bench.timed("ours, plan", lambda: bench.ours("plan"))
    bench.write_inventory(HOSTS, lxc_memory_mib=MORE_MEMORY_MIB)
    bench.timed("ours, change", lambda: bench.ours("apply", "--yes"))
    bench.ours("destroy", "--all", "--stop", "--yes")

    def created() -> None:
        bench.playbook(MEMORY_MIB)
        bench.wait_for_ssh()

    bench.timed("playbook, create", created)
    bench.timed("playbook, no-op", lambda: bench.playbook(MEMORY_MIB))
    bench.timed("playbook, change", lambda: bench.playbook(MORE_MEMORY_MIB))
    remove_unmarked(bench)


def remove_unmarked(bench: Bench) -> None:
    """The playbook's containers carry no mark of ours, so our destroy would refuse them."""
    import requests  # noqa: PLC0415 # as above

    lab = bench.lab
    headers = {"Authorization": f"PVEAPIToken={lab['token_id']}={lab['token_secret']}"}
    for vmid, _ in HOSTS.values():
        path = f"/nodes/{lab['node']}/lxc/{vmid}"
        requests.delete(
            f"{lab['api_url']}/api2/json{path}", params={"force": 1}, headers=headers,
            verify=str(lab["ca_file"]), timeout=60,
        ).raise_for_status()  # fmt: skip
    for _ in range(600):
        if not bench.ask("/nodes/{node}/lxc"):
            return
        time.sleep(0.1)
    sys.exit("bench: the playbook's containers do not go")


def many_containers(bench: Bench, rounds: int) -> None:
    """`plan` with nothing to do for so many running containers.

    The lab's API with a dictionary where LXC would be: what a plan reads is answered by the same
    code, and the machine need not run so many.
    """
    state = bench.work / "many"
    state.mkdir()
    words("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", state / "id_ed25519")
    with served(DictionaryRuntime(), state, is_narrow=True) as pve:
        facts = {
            "api_host": "127.0.0.1",
            "api_port": int(pve.url.rpartition(":")[2]),
            "ca_file": CA_FILE,
            "token_id": TOKEN[0],
            "token_secret": TOKEN[1],
        }
        (state / "lab.json").write_text(json.dumps(facts))
        other = replace(bench, state=state)
        network = {"tag": 2028, "subnet": str(MANY_NETWORK), "gateway": str(MANY_NETWORK[1])}
        for count in MANY:
            hosts = {f"many-{n:04}": (2200 + n, str(MANY_NETWORK[n + 10])) for n in range(count)}
            other.write_inventory(
                hosts, prefix=MANY_NETWORK.prefixlen, lxc_networks={"campus": network}
            )
            pve.cts.clear()
            for wanted in desired(load("lab", root=bench.work)).containers:
                made = numbered(wanted.container)
                ct = FakeCt(made.vmid, node=made.node, config=created(made), defaults=False)
                ct.status = "running"
                pve.cts.append(ct)
                pve._pool_join(POOL, ct.vmid)
            for _ in range(rounds):
                pve.requests.clear()
                other.timed(f"plan {count}", lambda: other.ours("plan"))
            bench.requests[count] = len(pve.requests)


def loop_s() -> float:
    """CPU time of ten million turns of an empty loop: what else runs here slows both."""
    began = time.process_time()
    for _ in range(10**7):
        pass
    return time.process_time() - began


def report_many(bench: Bench, loop: float) -> str:
    few, many = min(MANY), max(MANY)
    first, last = (bench.best_cpu(f"plan {count}") for count in (few, many))
    each = (bench.requests[many] - bench.requests[few]) // (many - few)
    each_ms = 1000 * (last - first) / (many - few)
    lines = ["| containers | requests | CPU | CPU in empty loops |", "|---|---|---|---|"]
    for count in MANY:
        cpu = bench.best_cpu(f"plan {count}")
        lines.append(f"| {count:,} | {bench.requests[count]:,} | {cpu:.2f} s | {cpu / loop:.1f} |")
    return "\n".join(
        [
            *lines,
            "",
            f"- Requests: **{each} n + {bench.requests[few] - each * few}**. CPU seconds: "
            f"**{first - few * each_ms / 1000:.2f} + {each_ms:.2f} n / 1000** "
            f"(aim: 3 for 1,000 on an idle machine, where an empty loop of ten million turns takes "
            f"{IDLE_LOOP_S} s; here {loop:.2f} s).",
            "- The whole process, inventory (Ansible has read it before) included; the best round.",
        ]
    )


def report(bench: Bench, rounds: int) -> str:
    m = bench.best
    floor, unpacking = m("floor, overlay"), m("floor, unpacking")
    rows = [
        ("create three, until SSH", "create"),
        ("nothing to do (`apply`)", "no-op"),
        ("change memory of three", "change"),
    ]
    lines = ["| what | ours | playbook | ratio | ratio of CPU time |", "|---|---|---|---|---|"]
    for name, key in rows:
        ours, theirs = m(f"ours, {key}"), m(f"playbook, {key}")
        cpu = bench.best_cpu(f"playbook, {key}") / bench.best_cpu(f"ours, {key}")
        lines.append(
            f"| {name} | {ours:.2f} s | {theirs:.2f} s | {theirs / ours:.1f} | {cpu:.1f} |"
        )
    no_op = m("playbook, no-op") / m("ours, no-op")
    create = m("ours, create")
    lines += [
        "",
        f"- Floor for create, by hand on the lab's kind of disks (overlay): {floor:.2f} s; "
        f"ours is **{create / floor:.2f} x** that (aim: at most 1.3).",
        f"- Floor with a whole unpacking of the template each: {unpacking:.2f} s; ours is "
        f"**{create / unpacking:.2f} x** that.",
        f"- No-op: the playbook takes **{no_op:.1f} x** ours (aim: 5).",
        f"- `plan` with nothing to do: {m('ours, plan'):.2f} s (aim: about 1.5).",
        f"- The best of {rounds} rounds each: what else the machine does only adds. Medians: "
        + ", ".join(f"{name} {bench.median(name):.2f} s" for name in sorted(bench.times))
        + f"; load average {os.getloadavg()[1]:.1f}.",
        "- community.proxmox is the pinned ansible's; its three hosts run in parallel, no facts.",
    ]
    return "\n".join(lines)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    parser = Parser(prog="python -m tests.bench.provision", description=__doc__.splitlines()[0])
    parser.add("--rounds", make="ROUNDS", type=whole(1), default=5)
    parser.add_argument("--only-plan", action="store_true", help="needs no root, and no containers")
    parser.add("--keep", make="KEEP", action="store_true", help="write docs/bench.md")
    options = parser.parse()
    if os.geteuid() != 0 and not options.only_plan:
        print("bench: it makes containers and needs root\n  Next: sudo make bench-provision")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="ctlv-bench-") as work:
        state = ROOT / f".lab-bench-{os.getpid()}"
        bench = Bench(state=state, work=Path(work))
        many_containers(bench, options.rounds)
        sections = {"Plan of many": report_many(bench, loop_s())}
        if not options.only_plan:
            three_containers(bench, options.rounds)
            sections["Provision"] = report(bench, options.rounds)
    for title, text in sections.items():
        print(f"\n{text}\n{machine_line(ROOT)}")
        if options.keep:
            body = f"`make bench-provision`, {machine_line(ROOT)}\n\n{text}"
            replace_section(ROOT / "docs/bench.md", title, body)
    return 0


def three_containers(bench: Bench, rounds: int) -> None:
    """On a lab of its own, removed afterwards."""
    lab = [sys.executable, "-m", "lab"]
    ports = [f"--{kind}-port={free_port()}" for kind in ("api", "web", "rest")]
    at = ["--state", str(bench.state)]
    try:
        subprocess.run([*lab, "up", *at, f"--name=bench-{os.getpid()}", *ports],
                       cwd=ROOT, check=True, timeout=TIMEOUT_S)  # fmt: skip
        bench.write_inventory(HOSTS)
        bench.ours("apply", "--yes")  # the template is unpacked once a lab
        bench.ours("destroy", "--all", "--stop", "--yes")
        for number in range(rounds):
            print(f"Round {number + 1} of {rounds}", flush=True)
            one_round(bench)
    finally:
        subprocess.run([*lab, "reset", *at, "--keep-templates"],
                       cwd=ROOT, check=False, timeout=TIMEOUT_S)  # fmt: skip
        shutil.rmtree(bench.state, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
