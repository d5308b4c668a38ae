"""Environments never touch each other: endpoint, token, key and state are per environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakepve.certs import make_cert

from provision import cli
from provision.credentials import Endpoint, endpoint, read_token_file, site
from provision.desired import Desired, desired
from provision.errors import OperatorError
from provision.inventory import load
from tests.provision.conftest import PUBLIC_KEY, SECRET, TOKEN, grant_all, stock

ROOT = Path(__file__).parents[2]
PLAIN = Desired(environment="prod", deployment="0" * 8, containers=(), api_host="srv-px1")
TOKEN_VARIABLES = {"PROXMOX_TOKEN_ID": "a@pve!b", "PROXMOX_TOKEN_SECRET": "s"}


def of(tmp_path, environment="prod", wanted=PLAIN, **variables):
    variables = {"HOME": str(tmp_path), **variables}
    where = site(environment, root=tmp_path, variables=variables)
    return endpoint(wanted, where, variables=variables)


def test_the_lab_ignores_everything_meant_for_a_real_cluster(cluster, monkeypatch):
    for name in ("HOST", "PORT", "TOKEN_ID", "TOKEN_SECRET", "CA_FILE"):
        monkeypatch.setenv(f"PROXMOX_{name}", "1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    assert cluster.run("plan") == 2


def test_production_takes_the_inventorys_endpoint_and_the_token_file(tmp_path):
    folder = tmp_path / ".config/ctlv"
    folder.mkdir(parents=True)
    file = folder / "prod.token"
    file.write_text(f"PROXMOX_TOKEN_ID={TOKEN}\nPROXMOX_TOKEN_SECRET='{SECRET}'\n")
    file.chmod(0o600)

    got = of(tmp_path)

    assert (got.url, got.token_id, got.token_secret) == ("https://srv-px1:8006", TOKEN, SECRET)
    assert (folder / "prod").stat().st_mode & 0o777 == 0o700


def test_the_environment_comes_before_the_inventory(tmp_path):
    ca = Path(make_cert(str(tmp_path), hosts=("other",))[0])
    got = of(tmp_path, PROXMOX_HOST="other", PROXMOX_PORT="443",
             PROXMOX_CA_FILE=str(ca), **TOKEN_VARIABLES)  # fmt: skip

    assert (got.url, got.ca_file) == ("https://other:443", ca)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("srv-px1", "https://srv-px1:8006"),
        ("srv-px1:443", "https://srv-px1:443"),
        ("https://srv-px1.example.org:443/", "https://srv-px1.example.org:443"),
        ("192.0.2.1", "https://192.0.2.1:8006"),
        ("fd00::1", "https://[fd00::1]:8006"),
        ("[fd00::1]:443", "https://[fd00::1]:443"),
    ],
)
def test_a_host_may_be_written_as_people_write_it(tmp_path, text, url):
    assert of(tmp_path, PROXMOX_HOST=text, **TOKEN_VARIABLES).url == url


def test_a_secret_is_never_printed():
    shown = Endpoint(host="h", port=1, ca_file=None, token_id="a@b!c", token_secret=SECRET)

    assert SECRET not in repr(shown)


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({}, "no API token for prod: PROXMOX_TOKEN_ID is not set"),
        ({"PROXMOX_TOKEN_ID": "a@pve!b"}, "PROXMOX_TOKEN_SECRET is not set"),
        (TOKEN_VARIABLES | {"PROXMOX_TOKEN_ID": "root"}, "'root' is not user@realm!name"),
        (TOKEN_VARIABLES | {"PROXMOX_TOKEN_ID": "Ω@pve!b"}, "'Ω@pve!b' is not user@realm!name"),
        (TOKEN_VARIABLES | {"PROXMOX_TOKEN_ID": "a\x01@pve!b"}, "is not user@realm!name"),
        (TOKEN_VARIABLES | {"PROXMOX_PORT": "https"}, "PROXMOX_PORT 'https' is not a port"),
        (TOKEN_VARIABLES | {"PROXMOX_PORT": "²"}, "PROXMOX_PORT '²' is not a port"),
        (TOKEN_VARIABLES | {"PROXMOX_TOKEN_SECRET": "a\nb"}, "PROXMOX_TOKEN_SECRET holds blanks"),
        *(
            (TOKEN_VARIABLES | {"PROXMOX_HOST": text}, f"{text!r} is not an API host")
            for text in (
                "http://x",
                "a b",
                "x:port",
                "x:0",
                "x:65536",
                "https://",
                "u@x",
                "https://x/api2",
                "[x",
                "a..b",
                "x" * 64,
            )
        ),
        (TOKEN_VARIABLES | {"PROXMOX_CA_FILE": "/etc/hostname"}, "/etc/hostname holds no cert"),
        (TOKEN_VARIABLES | {"PROXMOX_CA_FILE": "/etc"}, "/etc does not exist"),
        (TOKEN_VARIABLES | {"PROXMOX_CA_FILE": "/nonexistent"}, "/nonexistent does not exist"),
    ],
)
def test_what_is_missing_is_said(tmp_path, variables, text):
    with pytest.raises(OperatorError) as error:
        of(tmp_path, **variables)

    assert text in error.value.problem


def test_an_endpoint_must_be_somewhere(tmp_path):
    nowhere = Desired(environment="prod", deployment="0" * 8, containers=())
    with pytest.raises(OperatorError, match="no API host for prod"):
        of(tmp_path, wanted=nowhere, **TOKEN_VARIABLES)


def test_a_token_file_that_others_can_read_is_refused(tmp_path):
    file = tmp_path / "prod.token"
    file.write_text("PROXMOX_TOKEN_ID=x\n")
    file.chmod(0o644)

    with pytest.raises(OperatorError, match=r"can be read by others \(mode 0644\)"):
        read_token_file(file)


def test_a_lab_that_is_not_up_says_how_to_start_it(tmp_path):
    with pytest.raises(OperatorError, match=r"lab .* is not up") as error:
        of(tmp_path, environment="lab", CTLV_LAB_STATE=str(tmp_path / "lab"))

    assert "make up" in error.value.next_step
    assert not (tmp_path / "lab").exists(), "a mistyped LAB_STATE leaves no folder"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is damaged"),
        ("{}", "is damaged: api_host: Field required; api_port: Field required"),
        ("[]", "is damaged: Input should be an object"),
        ("null", "is damaged: Input should be an object"),
        ('{"api_port": "x"}', "api_port: Input should be a valid integer"),
    ],
)
def test_a_broken_lab_file_is_said(tmp_path, text, problem):
    (tmp_path / "lab.json").write_text(text)
    with pytest.raises(OperatorError, match=problem):
        of(tmp_path, environment="lab", CTLV_LAB_STATE=str(tmp_path))


@pytest.mark.parametrize("place", ["a file", "a file/below", "a file/below/it"])
def test_a_folder_that_cannot_be_made_is_said(tmp_path, place):
    (tmp_path / "a file").write_text("")

    with pytest.raises(OperatorError, match=r"the lab of .*a file.* is not up: Not a directory"):
        of(tmp_path, environment="lab", CTLV_LAB_STATE=str(tmp_path / place))
    with pytest.raises(OperatorError, match=r"the folder .*a file.* cannot be made"):
        of(tmp_path, HOME=str(tmp_path / place))


def test_the_home_of_nobody_is_said(tmp_path):
    with pytest.raises(OperatorError, match="home of a user who does not exist"):
        of(tmp_path, **TOKEN_VARIABLES, PROXMOX_CA_FILE="~no.such.user/ca.pem")


@pytest.mark.parametrize("name", ["/", "x" * 300], ids=["a root", "too long"])
def test_what_can_name_no_file_is_said(tmp_path, name):
    with pytest.raises(OperatorError, match="cannot be the name of a file"):
        of(tmp_path, **TOKEN_VARIABLES, PROXMOX_CA_FILE=name)


# ---------------------------------------------------------------- the unmodified srv-px5


@pytest.fixture
def production(fakepve, fakepve_cafile, tmp_path, monkeypatch):
    """srv-px5 as it is shipped, before a fake cluster of that name."""
    stock(fakepve)
    grant_all(fakepve)
    fakepve.nodes = {"srv-px1": {"online": True}, "srv-px5": {"online": True}}
    fakepve.pools["ctlv"] = set()
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519.pub").write_text(PUBLIC_KEY)
    for name, value in {
        "HOME": tmp_path, "PROXMOX_HOST": "127.0.0.1", "PROXMOX_PORT": fakepve.port,
        "PROXMOX_TOKEN_ID": TOKEN, "PROXMOX_TOKEN_SECRET": SECRET,
        "PROXMOX_CA_FILE": fakepve_cafile,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    return fakepve


def test_the_shipped_production_inventory_plans_two_containers(production, capsys):
    assert cli.main(["plan", "--env", "srv-px5", "--json"]) == 2

    planned = json.loads(capsys.readouterr().out)
    assert [entry["vmid"] for entry in planned["containers"]] == [2156, 2157]


def test_the_shipped_production_inventory_creates_nothing_while_assumed(production, capsys):
    assert cli.main(["apply", "--env", "srv-px5", "--yes"]) == 1

    error = capsys.readouterr().err
    for entry in desired(load("srv-px5", root=ROOT)).assumed:
        assert entry in error
    assert not production.cts


def test_destroying_in_production_wants_the_name_typed(production, capsys, monkeypatch):
    emptied = load("srv-px5", root=ROOT)
    hosts = {host: {**values, "lxc_assumed": [], "lxc_protection": False}
             for host, values in emptied.hosts.items()}  # fmt: skip
    monkeypatch.setattr(
        cli, "load", lambda *_, **__: type(emptied)(environment="srv-px5", hosts=hosts)
    )
    name = "ct-tpgei-ctlv-B11-MySqlDB"
    assert cli.main(["apply", "--env", "srv-px5", "--yes", "--wait", "running"]) == 0

    assert cli.main(["destroy", "--env", "srv-px5", "--yes", "--stop"]) == 1
    assert "destroy wants names" in capsys.readouterr().err
    assert cli.main(["destroy", "--env", "srv-px5", name, "--yes", "--stop"]) == 1
    assert "say --confirm" in capsys.readouterr().err
    assert len(production.cts) == 2
    assert cli.main(["destroy", "--env", "srv-px5", name, "--stop", "--confirm", name]) == 0
    assert [ct.vmid for ct in production.cts] == [2156]
