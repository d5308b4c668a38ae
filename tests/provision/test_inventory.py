"""The inventory is read through Ansible, without the vault, and the two that we ship are good."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from provision import inventory, inventoryfiles
from provision.desired import desired
from provision.errors import OperatorError
from provision.plan import numbered

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


VAULT = "$ANSIBLE_VAULT;1.1;AES256\n36383839\n"


@pytest.fixture
def root(tmp_path):
    """A copy of inventory/lab, and of what it shares, to break."""
    for name in ("lab", "shared"):
        shutil.copytree(ROOT / "inventory" / name, tmp_path / "inventory" / name, symlinks=True)
    return tmp_path


def edit(root, name, old, new):
    file = root / "inventory/lab" / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def lab():
    return inventory.load("lab", root=ROOT)


@pytest.fixture(scope="module")
def production():
    return inventory.load("srv-px5", root=ROOT)


def test_only_what_is_asked_of_a_container_is_kept(lab):
    kept = {key for variables in lab.hosts.values() for key in variables}

    assert {key for key in kept if not key.startswith("lxc_")} == {
        "agenda_admin_networks",
        "ansible_host",
        "ctlv_environment",
        "ctlv_deployment_id",
        "agenda_tls",
        "base_open_ports",
        "metrics_scrapers",
        "verify_vantage",
    }


def test_the_lab_has_the_three_containers_of_the_design(lab):
    wanted = desired(lab)

    assert [(w.host, w.vmid, w.address) for w in wanted.containers] == [
        ("ct-tpgei-ctlv-B11-serverDjango", 2156, "198.18.28.156"),
        ("ct-tpgei-ctlv-B11-MySqlDB", 2157, "198.18.112.157"),
        ("ct-tpgei-ctlv-B11-serverREST", 2158, "198.18.28.157"),
    ]
    assert wanted.assumed == ()


def test_production_is_the_topology_of_the_design(production):
    wanted = desired(production)
    web, database = wanted.containers

    assert [(n.tag, n.ip, n.gateway) for n in web.container.nics] == [
        (2028, "10.20.28.156/24", "10.20.28.1"),
        (2112, "10.21.12.156/24", None),
    ]
    assert [(n.tag, n.ip, n.gateway) for n in database.container.nics] == [
        (2112, "10.21.12.157/24", None)
    ]
    assert (web.container.protection, database.container.protection) == (False, True)
    assert database.container.startup < web.container.startup
    assert database.jumps == (web.host,)
    assert (wanted.api_host, web.container.node) == ("srv-px1", "srv-px5")
    assert wanted.assumed


def test_both_environments_have_one_shape(lab, production):
    """Same keys and devices; but for the endpoint, which the lab has in its own state, and the
    REST server, which lies ready in production and is off.
    """

    def shape(read):
        return {
            host: {k for k in v if not k.startswith("lxc_api_")} for host, v in read.hosts.items()
        }

    left, right = shape(lab), shape(production)
    assert left.keys() - right.keys() == {"ct-tpgei-ctlv-B11-serverREST"}
    assert right.keys() < left.keys()
    for host, keys in right.items():
        assert keys ^ left[host] <= {"lxc_protection"}
    tags = [[[n.tag for n in numbered(w.container).nics] for w in desired(read).containers]
            for read in (lab, production)]  # fmt: skip
    assert tags[0][: len(tags[1])] == tags[1]


def test_environments_are_told_apart(lab, production):
    assert desired(lab).deployment != desired(production).deployment


def test_the_rest_server_lies_ready_and_is_off(production, tmp_path):
    assert "ct-tpgei-ctlv-B11-serverREST" not in production.hosts
    shutil.copytree(ROOT / "inventory/srv-px5", tmp_path / "inventory/srv-px5")
    folder = tmp_path / "inventory/srv-px5"
    (folder / "hosts-rest.yml.txt").rename(folder / "hosts-rest.yml")

    wanted = desired(inventory.load("srv-px5", root=tmp_path))

    assert [(w.vmid, w.address) for w in wanted.containers][2:] == [(2158, "10.20.28.157")]


def test_addresses_written_for_ansible_are_literals():
    """Neither ansible-inventory --list nor testinfra renders Jinja."""
    for file in ROOT.glob("inventory/*/host_vars/*/container.yml"):
        assert "{{" not in file.read_text()
        assert yaml.safe_load(file.read_text())["ansible_host"]


def test_an_encrypted_file_is_never_opened(root, monkeypatch):
    (root / "inventory/lab/group_vars/all/vault.yml").write_text(VAULT)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "/nonexistent")

    assert len(inventory.load("lab", root=root).hosts) == 3


def test_a_single_encrypted_value_is_no_hindrance(root):
    edit(root, "group_vars/all/containers.yml", "lxc_node:",
         "secret_thing: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3638\nlxc_node:")  # fmt: skip

    assert len(inventory.load("lab", root=root).hosts) == 3


def test_an_unknown_environment_names_the_known_ones(root):
    with pytest.raises(OperatorError, match=r"no inventory 'prod' \(found: lab\)"):
        inventory.load("prod", root=root)


def test_broken_yaml_is_said_with_its_own_words(root):
    (root / "inventory/lab/hosts.yml").write_text("all: [\n")

    with pytest.raises(OperatorError) as error:
        inventory.load("lab", root=root)

    assert "inventory/lab" in str(error.value)
    assert "ctlv-inventory-" not in str(error.value)


BROKEN = {
    "written twice": ("lxc_vmid: 2157", "lxc_vmid: 2157\nlxc_vmid: 2199",
                      "container.yml:3: lxc_vmid is written twice, in line 2 too"),
    "twice in a list": ("name: eth0,", "name: eth0, name: eth1,", ":5: name is written twice"),
    "a tab": ("lxc_vmid: 2157", "\tlxc_vmid: 2157", "container.yml:2: is not YAML: found"),
    "no text": ("lxc_vmid: 2157", "lxc_vmid: \xff", "container.yml: is not YAML: 'utf-8' codec"),
    "a control character": ("2157", "2157 \x01", "container.yml: is not YAML: unacceptable char"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "text"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read_is_named_with_its_line(root, old, new, text):
    """Ansible says what is wrong, not where; of a key written twice it takes the last, silently."""
    host = "host_vars/ct-tpgei-ctlv-B11-MySqlDB/container.yml"
    file = root / "inventory/lab" / host
    file.write_text(file.read_text().replace(old, new, 1), encoding="latin-1")

    with pytest.raises(OperatorError) as error:
        inventory.load("lab", root=root)

    assert f"inventory/lab/{host}" in error.value.problem
    assert text in error.value.problem


def test_an_alias_of_itself_is_no_endless_search(tmp_path):
    file = tmp_path / "hosts.yml"
    file.write_text("all: &all {children: {again: *all, all: {}}}\n")

    assert inventoryfiles.mistakes(tmp_path, [file, tmp_path / "hosts.ini"]) == []


def test_what_is_no_yaml_names_no_place(tmp_path):
    (tmp_path / "hosts.yml").write_text("all: [")
    (tmp_path / "more.yml").write_text("- a list\n")

    assert list(inventoryfiles.places(tmp_path)) == []


def test_what_stands_in_hosts_yml_is_named_there(root):
    hosts = root / "inventory/lab/hosts.yml"
    hosts.write_text(
        hosts.read_text().replace("ct-tpgei-ctlv-B11-MySqlDB:", "my_db: {lxc_cores: 0}")
        + "  vars:\n    lxc_note: 5\n"
    )

    with pytest.raises(OperatorError) as error:
        desired(inventory.load("lab", root=root))

    text = hosts.read_text().splitlines()
    line = next(n for n, row in enumerate(text, start=1) if "my_db" in row)
    everyone = "ct-tpgei-ctlv-B11-serverDjango, ct-tpgei-ctlv-B11-serverREST, my_db"
    assert f"inventory/lab/hosts.yml:{line}: my_db: name: is no host name" in error.value.problem
    assert f"inventory/lab/hosts.yml:{line}: my_db: lxc_cores: 0 is not" in error.value.problem
    assert f"inventory/lab/hosts.yml:{len(text)}: {everyone}: lxc_note: 5 is" in error.value.problem


def test_a_folder_that_cannot_be_listed_is_said(root, monkeypatch):
    def refuse(folder):
        yield folder / "hosts.yml"
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(inventory, "readable_files", refuse)

    with pytest.raises(OperatorError, match="Permission denied"):
        inventory.load("lab", root=root)


@pytest.mark.parametrize(
    ("hosts", "said"),
    [(["a"], ""), (["a", "b", "c"], ""), ([], "has 0 hosts; "), (["a", "b"], "has 2 hosts: a, b; "),
     (["a", "b", "c", "d"], "has 4 hosts: a, b, c, d; ")],
)  # fmt: skip
def test_the_rows_lie_on_one_host_or_on_three(root, hosts, said):
    """Two cannot outvote each other, and neither can two of four."""
    group = {"hosts": dict.fromkeys(hosts)}
    told = {"all": {"children": {"containers": {"children": {"database": group}}}}}
    told["all"]["children"]["containers"]["children"]["web"] = {"hosts": {"w": None}}
    (root / "inventory/lab/hosts-rest.yml").unlink()
    (root / "inventory/lab/hosts.yml").write_text(yaml.safe_dump(told))
    if not said:
        assert list(inventory.load("lab", root=root).groups["database"]) == hosts
        return
    with pytest.raises(OperatorError, match=f"the group database .* {said}") as refused:
        inventory.load("lab", root=root)
    assert "let it have 1 or 3" in refused.value.next_step


@pytest.mark.parametrize("hosts", [["a"], ["a", "b", "c"]])
def test_one_edge_and_three_are_refused_with_the_reason(root, hosts):
    file = root / "inventory/lab/hosts.yml"
    told = yaml.safe_load(file.read_text())
    groups = told["all"]["children"]["containers"]["children"]
    groups["edge"] = {"hosts": dict.fromkeys(hosts)}
    file.write_text(yaml.safe_dump(told))
    with pytest.raises(OperatorError, match="one alone takes all with it") as refused:
        inventory.load("lab", root=root)
    assert "let it have 0 or 2" in refused.value.next_step


def test_an_inventory_without_containers_says_so(root):
    (root / "inventory/lab/hosts-rest.yml").unlink()
    (root / "inventory/lab/hosts.yml").write_text("all:\n  hosts:\n    other:\n")

    with pytest.raises(OperatorError, match="has no host in the group 'containers'"):
        inventory.load("lab", root=root)


def test_a_tool_that_is_missing_is_said(root, monkeypatch):
    monkeypatch.setattr(inventory.sys, "executable", "/nonexistent/python")

    with pytest.raises(OperatorError, match="ansible-inventory did not work"):
        inventory.load("lab", root=root)


def test_every_mistake_names_file_and_line_at_once(root):
    edit(
        root,
        "host_vars/ct-tpgei-ctlv-B11-MySqlDB/container.yml",
        "lxc_vmid: 2157",
        "lxc_vmid: 2156",
    )
    edit(root, "group_vars/all/containers.yml", "tag: 2112", "tag: 4095")
    edit(root, "group_vars/all/containers.yml", "debian-13-standard", "debian-9")

    with pytest.raises(OperatorError) as error:
        desired(inventory.load("lab", root=root))

    text = error.value.problem
    database = "inventory/lab/host_vars/ct-tpgei-ctlv-B11-MySqlDB/container.yml:2"
    assert f"{database}: ct-tpgei-ctlv-B11-MySqlDB: lxc_vmid: 2156 is used twice" in text
    assert "group_vars/all/containers.yml:" in text
    assert "lxc_networks.private.tag: 4095 is not a VLAN tag" in text
    assert "'debian-9' is no template" in text


def test_a_mistake_in_what_is_shared_is_named_where_it_is_to_be_corrected(root):
    edit(root, "../shared/all/containers.yml", "lxc_onboot: true", "lxc_onboot: maybe")
    edit(root, "../shared/database/containers.yml", "lxc_startup_order: 1", "lxc_startup_ordr: 1")

    with pytest.raises(OperatorError) as error:
        desired(inventory.load("lab", root=root))

    assert "inventory/shared/all/containers.yml:" in error.value.problem
    assert "lxc_onboot: 'maybe'" in error.value.problem
    order = (
        "inventory/shared/database/containers.yml:3: ct-tpgei-ctlv-B11-MySqlDB: lxc_startup_ordr"
    )
    assert order in error.value.problem


def test_a_shared_file_that_cannot_be_read_is_named_with_its_line(root):
    edit(root, "../shared/all/containers.yml", "lxc_onboot: true", "lxc_onboot: [")

    with pytest.raises(
        OperatorError, match=r"inventory/shared/all/containers\.yml:\d+: is not YAML"
    ):
        inventory.load("lab", root=root)


def test_what_an_environment_says_itself_wins_over_what_is_shared(root):
    file = root / "inventory/lab/group_vars/all/containers.yml"
    file.write_text(file.read_text() + "lxc_onboot: false\n")
    line = len(file.read_text().splitlines())

    read = inventory.load("lab", root=root)

    assert {variables["lxc_onboot"] for variables in read.hosts.values()} == {False}
    place = read.place("ct-tpgei-ctlv-B11-MySqlDB", "lxc_onboot")
    assert place == f"inventory/lab/group_vars/all/containers.yml:{line}"


def test_an_environment_is_made_by_copying_a_folder(root):
    lab, copy = root / "inventory/lab", root / "inventory/other"
    subprocess.run(["cp", "-r", lab, copy], check=True)

    read, original = (inventory.load(name, root=root) for name in ("other", "lab"))

    assert read.hosts == original.hosts
    assert (copy / "group_vars/all/00-shared").is_symlink()


def test_what_is_shared_is_no_environment(root):
    with pytest.raises(OperatorError, match=r"no inventory 'shared' \(found: lab\)"):
        inventory.load("shared", root=root)


def test_a_link_that_leads_to_nothing_is_refused(root):
    """Ansible passes over it without a word, and half of the inventory is not there."""
    shutil.rmtree(root / "inventory/shared/web")

    with pytest.raises(OperatorError) as error:
        inventory.load("lab", root=root)

    assert error.value.problem == "inventory/lab/group_vars/web/00-shared leads to nothing"


def test_links_that_a_checkout_wrote_as_files_are_refused(root):
    """As git does where the file system has no links, and some programs that unpack archives."""
    link = root / "inventory/lab/group_vars/all/00-shared"
    target = link.readlink()
    link.unlink()
    link.write_text(str(target))

    with pytest.raises(OperatorError) as error:
        inventory.load("lab", root=root)

    assert "inventory/lab/group_vars/all/00-shared" in str(error.value)


def test_a_group_file_wins_over_all_and_a_host_file_over_both(tmp_path):
    folder = tmp_path / "inventory/x"
    for name in ("group_vars/all.yml", "group_vars/web/a.yml", "host_vars/one.yml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("---\nlxc_cores: 1\n")
    groups = {"all": frozenset({"one", "two"}), "web": frozenset({"one", "two"})}

    places = inventory.find_places(folder, groups)

    assert places["two", "lxc_cores"] == "inventory/x/group_vars/web/a.yml:2"
    assert places["one", "lxc_cores"] == "inventory/x/host_vars/one.yml:2"


@pytest.mark.parametrize("environment", ["lab", "srv-px5"])
def test_ansible_reads_it_without_a_warning(environment, tmp_path):
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    tool = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [tool, "-i", ROOT / "inventory" / environment, "--graph"],
        check=True, capture_output=True, text=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8",
             "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")},
    )  # fmt: skip

    assert "WARNING" not in done.stderr
    assert "@rest:" in done.stdout
