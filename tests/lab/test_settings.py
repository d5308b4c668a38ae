"""A lab's settings, its files, its claims on this machine."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest
import yaml

from lab import checks, cli, kernellimits, lifecycle, proxy, settings, subids, templates
from lab.errors import LabError
from lab.settings import Settings

INVENTORY = Path(settings.REPOSITORY, "inventory", "lab")


def test_kept_settings_come_back(tmp_path):
    kept = Settings(state=tmp_path, name="ctlv-t", api_port=1, proxy_port=2, id_base=3)

    settings.save(kept)

    assert settings.load(tmp_path) == kept


def test_no_lab_is_no_settings(tmp_path):
    assert settings.load(tmp_path) is None


def test_damaged_settings_say_what_to_do(tmp_path):
    settings.settings_file(tmp_path).write_text("{")

    with pytest.raises(LabError, match="damaged") as error:
        settings.load(tmp_path)
    assert "reset" in error.value.next_step


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "a/b", "a b", "x" * 33])
def test_a_name_that_cannot_name_a_namespace_is_refused(name):
    with pytest.raises(LabError, match="cannot name a lab"):
        settings.check_name(name)


@pytest.mark.parametrize("folder", ["/home/a b", "/x,y", "/x:y", "/x'y", "/x#y"])
def test_a_folder_that_mount_options_would_cut_is_refused(folder):
    with pytest.raises(LabError, match="has a space"):
        settings.check_state_folder(Path(folder))


def test_a_file_is_replaced_at_once_and_for_its_owner_only(tmp_path):
    settings.write_atomically(tmp_path / "token", "one")
    settings.write_atomically(tmp_path / "token", "two")

    assert (tmp_path / "token").read_text() == "two"
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["token"]


def test_one_verb_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "LOCKS", tmp_path)

    refused = pytest.raises(LabError, match="another command")
    with settings.locked(tmp_path), refused, settings.locked(tmp_path):
        pass
    with settings.locked(tmp_path):
        pass


def test_facts_that_cannot_be_used_name_the_file(tmp_path):
    (tmp_path / "lab.yml").write_text("lab_node: x\n")

    with pytest.raises(LabError, match=r"lab\.yml cannot be used"):
        settings.load_facts(tmp_path / "lab.yml")


def test_the_lab_and_the_inventory_have_the_same_networks():
    facts = settings.load_facts()
    containers = yaml.safe_load((INVENTORY / "group_vars/all/containers.yml").read_text())
    wanted = containers["lxc_networks"].values()

    assert [(n.tag, str(n.subnet)) for n in facts.networks] == [
        (network["tag"], network["subnet"]) for network in wanted
    ]
    assert [str(n.gateway) for n in facts.networks if n.gateway] == [
        network["gateway"] for network in wanted if "gateway" in network
    ]
    assert (facts.node, facts.bridge) == (containers["lxc_node"], containers["lxc_bridge"])


def test_a_forward_leads_to_its_host_of_the_inventory(tmp_path):
    folder = tmp_path / "inventory"
    shutil.copytree(INVENTORY, folder)
    file = folder / "host_vars/ct-tpgei-ctlv-B11-serverDjango/container.yml"
    file.write_text(file.read_text().replace(".156\n", ".9\n"))

    facts = settings.load_facts(folder / "group_vars/all/lab.yml")

    assert facts.forwards == {"web": "198.18.28.9:80", "rest": "198.18.28.157:80"}


def test_a_forward_to_no_host_names_the_file(tmp_path):
    shutil.copytree(INVENTORY, tmp_path / "lab")
    shutil.rmtree(tmp_path / "lab/host_vars/ct-tpgei-ctlv-B11-serverREST")

    with pytest.raises(LabError, match=r"lab\.yml cannot be used.*serverREST"):
        settings.load_facts(tmp_path / "lab/group_vars/all/lab.yml")


@pytest.mark.parametrize(
    ("text", "base"),
    [
        pytest.param("", 1_000_000, id="nothing taken"),
        pytest.param("root:100000:65536\n", 1_000_000, id="another range"),
        pytest.param("root:1000000:65536\n", 1_065_536, id="another lab"),
        pytest.param("a:1000000:65536\nb:1065536:65536\n", 1_131_072, id="two labs"),
        pytest.param("a:1000001:10\n", 1_000_011, id="a part"),
        pytest.param("a:1:2000000\n", 2_000_001, id="all below"),
    ],
)
def test_a_range_of_ids_is_free(text, base):
    assert subids.free_base([text, ""]) == base


def test_ids_are_claimed_once_and_given_back(tmp_path, monkeypatch):
    kept: list[int] = []
    files = (tmp_path / "subuid", tmp_path / "subgid")
    files[0].write_text("someone:100000:65536\n")
    monkeypatch.setattr(subids, "FILES", files)
    monkeypatch.setattr(subids, "LOCK", tmp_path / "lock")

    subids.claim(1_000_000, keep=kept.append)
    subids.claim(1_000_000, keep=kept.append)
    assert files[0].read_text() == "someone:100000:65536\nroot:1000000:65536\n"
    assert files[1].read_text() == "root:1000000:65536\n"

    subids.release(1_000_000)
    assert files[0].read_text() == "someone:100000:65536\n"
    assert files[1].read_text() == ""


def kernel(folder: Path, **values: int) -> Path:
    for name, value in values.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(value))
    return folder


def test_kernel_limits_are_raised_and_put_back(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    sysctl = kernel(
        tmp_path / "sys", fs__inotify__max_user_instances=128, kernel__keys__maxkeys=200
    )
    instances = sysctl / "fs/inotify/max_user_instances"

    kernellimits.raise_limits(run=run, sysctl=sysctl)
    kernellimits.raise_limits(run=run, sysctl=sysctl)
    assert int(instances.read_text()) == 8192

    (run / "another-lab").mkdir()
    kernellimits.put_back(run=run, sysctl=sysctl)
    assert int(instances.read_text()) == 8192

    (run / "another-lab").rmdir()
    (sysctl / "kernel/keys/maxkeys").write_text("9999")
    kernellimits.put_back(run=run, sysctl=sysctl)
    assert int(instances.read_text()) == 128
    assert int((sysctl / "kernel/keys/maxkeys").read_text()) == 9999
    assert list(run.iterdir()) == []


def test_higher_limits_are_left_alone(tmp_path):
    sysctl = kernel(tmp_path / "sys", fs__inotify__max_user_instances=65536)

    kernellimits.raise_limits(run=tmp_path, sysctl=sysctl)

    assert json.loads((tmp_path / "limits.json").read_text()) == {}


def test_the_proxy_lets_through_to_the_named_hosts_only():
    text = proxy.configuration(port=1234, filter_file="/x", upstream="proxy.example:3128")

    assert {
        "Listen 127.0.0.1",
        "Port 1234",
        "FilterDefaultDeny Yes",
        "ConnectPort 443",
        "Upstream http proxy.example:3128",
    } <= set(text.splitlines())
    assert proxy.allow_list(["a.example"]) == "^a\\.example$\n"


def test_a_port_is_one_and_each_its_own(tmp_path, capsys):
    for text in ("0", "65536", "http", "-1", "٣"):
        with pytest.raises(SystemExit):
            cli.parser().parse_args(["up", "--api-port", text])
        assert f"'{text}' is no port (1 to 65535)" in capsys.readouterr().err or text == "-1"
    twice = Settings(state=tmp_path, api_port=1, web_port=1, rest_port=2)
    with pytest.raises(LabError, match="port 1 is given twice"):
        checks.check_machine(twice, own=None)


@pytest.mark.parametrize(
    ("ranges", "kept"),
    [
        ("root:100000:65536\n", False),
        ("root:100000:65536\nroot:1065536:65536\n", True),
    ],
    ids=["the last lab", "another one, be it stopped"],
)
def test_reset_leaves_the_templates_to_the_other_labs_of_the_machine(
    ranges, kept, tmp_path, monkeypatch
):
    ids, cache = tmp_path / "subuid", tmp_path / "cache"
    ids.write_text(ranges)
    cache.mkdir()
    monkeypatch.setattr(subids, "FILES", (ids,))
    monkeypatch.setattr(templates, "cache_folder", lambda: cache)
    said = []
    lifecycle.reset(tmp_path / "no-lab", keep_templates=False, say=said.append)
    assert cache.is_dir() is kept
    assert ("but the cached templates" in said[0]) is kept
