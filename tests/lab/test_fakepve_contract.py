"""What the lab takes from fakepve's inside. A change there must be seen here first."""

from __future__ import annotations

import importlib.metadata
import inspect
import re
from pathlib import Path

import pytest
from fakepve import FakeCt, FakePve

ROOT = Path(__file__).parents[2]
# Methods we override or call, with the parameters we rely on.
METHODS = {
    "task": ["node", "ttype", "tid", "user", "body", "vm", "lock", "log"],
    "acquire": ["vm", "holder", "wait"],
    "release": ["vm", "holder"],
    "check_password": ["user", "password"],
    "grant": ["user", "path", "privs"],
    "require": ["user", "path", "priv"],
    "_upid": ["node", "ttype", "tid", "user"],
    "_apply": ["ct", "selection", "running"],
    "_allocate": ["vmid", "sid", "taken"],
    "_build_app": [],
    "_answer": ["request", "handler", "generic", "path_node"],
    "_cleanup_pending": ["ct"],
    "_realise": ["vmid", "key", "value", "taken", "default_storage"],
    "_taken_volumes": [],
    "_check_bridge": ["user", "net"],
    "_here": ["v"],
    "_vm_perm": ["user", "vmid", "pool", "privs"],
    "_ct_ha": ["ct", "user", "state", "timeout"],
    "_ct_powerdown": ["ct", "timeout", "force"],
    "_drop": ["ct"],
    "_find_ct": ["node", "vmid"],
    "_get_task": ["request"],
    "_verify": ["request", "values", "drop"],
    "_cluster_status": ["request"],
    "_lxc_clone": ["user", "v"],
    "_lxc_config_get": ["user", "v"],
    "_lxc_config_put": ["user", "v"],
    "_lxc_create": ["user", "v"],
    "_lxc_destroy": ["user", "v"],
    "_lxc_interfaces": ["user", "v"],
    "_lxc_list": ["user", "v"],
    "_lxc_migrate": ["user", "v"],
    "_lxc_pending": ["user", "v"],
    "_lxc_reboot": ["user", "v"],
    "_lxc_rollback": ["user", "v"],
    "_lxc_start": ["user", "v"],
    "_lxc_status_current": ["user", "v"],
    "_qm_create": ["v", "user"],
    "_resources": ["request"],
    "_pool_join": ["name", "vmid"],
    "_storage_enabled": ["name", "node"],
    "_start_steps": ["ct", "user", "skiplock"],
    "_task_log": ["request"],
    "_update_config": ["ct", "user", "values", "deletes", "reverts"],
}
STATIC = {
    "_check_protection": ["ct", "message"],
    "_cpus": ["ct"],
    "_task_lock": ["ct", "allow"],
    "_unused_key": ["cfg"],
}
# The tasks that get an effect: each must come through `task` with the container as `vm`.
TASKS = (
    "vzcreate", "vzclone", "vzrestore", "vzdestroy", "vzstop", "vzmigrate", "hamigrate", "resize",
    "vzsnapshot", "vzdelsnapshot", "vzrollback",
)  # fmt: skip


def test_the_version_is_pinned_exactly():
    pinned = re.search(r"^fakepve==(\S+)$", (ROOT / "requirements/controller.in").read_text(), re.M)

    assert pinned, "fakepve is not pinned"
    assert importlib.metadata.version("fakepve") == pinned[1] == "0.5.0"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_parameters_we_rely_on(name):
    found = list(inspect.signature(getattr(FakePve, name)).parameters)

    assert found == ["self", *METHODS[name]]


@pytest.mark.parametrize("name", STATIC)
def test_a_static_method_has_the_parameters_we_rely_on(name):
    assert list(inspect.signature(getattr(FakePve, name)).parameters) == STATIC[name]


def test_containers_and_cluster_keep_their_state_where_we_look():
    pve, ct = FakePve(host="127.0.0.1", port=0), FakeCt(100)

    assert {"cts", "tasks", "tasklog", "nodes", "storages", "apitokens", "_pids"} <= {*vars(pve)}
    assert {"config", "pending", "snapshots", "status", "pid", "started_at", "stats"} <= {*vars(ct)}
    assert {"vmid", "node", "pool", "lock_holder"} <= {*vars(ct)}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_we_give_an_effect_exists(task):
    source = inspect.getsource(inspect.getmodule(FakeCt))

    assert f"'{task}'" in source
