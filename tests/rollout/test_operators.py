"""Whose SSH keys open the containers: exactly well-formed lines, and never nobody."""

from __future__ import annotations

import subprocess
from argparse import Namespace

import pytest
import yaml
from ansible.template import trust_as_template
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from provision.errors import OperatorError
from rollout import operators
from tests.ansible.rendering import ROLES, templar


def public(key):
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


# The same in every process that collects these tests: they are part of their names.
ANNE, BEN, OWN = (
    public(ed25519.Ed25519PrivateKey.from_private_bytes(bytes([n] * 32))) for n in range(3)
)
# Only how one begins, and not in one piece: whoever searches the tree for keys finds none.
SECRET_HALF = "-----BEGIN OPENSSH {} KEY-----".format("PRIVATE")
WEAK = public(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLV_LAB_STATE", str(tmp_path))
    found = tmp_path / "operators.txt"
    monkeypatch.setattr(operators, "list_file", lambda _: found)
    monkeypatch.setattr(operators, "own_keys", lambda _: [OWN])
    monkeypatch.setattr(operators.getpass, "getuser", lambda: "Ada 2")
    return found


def ask(verb, **words):
    return operators.act(Namespace(env="lab", verb=verb, **words))


@pytest.mark.parametrize(
    "text",
    [ANNE, f"{ANNE} anne@desk 2026", public(ec.generate_private_key(ec.SECP256R1()))],
    ids=["ed25519", "with a comment", "ecdsa"],
)
def test_one_public_key_is_taken_without_its_comment(text):
    assert operators.key_of(text) == " ".join(text.split()[:2])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anne",
        ANNE.split()[1],
        ANNE[:-4],
        f"{ANNE[:-8]}AAAAAAAA AAAA"[:70],
        f"ssh-rsa {ANNE.split()[1]}",
        f"{ANNE}\n{BEN}",
        f"{ANNE}\r{BEN}",
        f" {ANNE}",
        ANNE.replace(" ", "  "),
        f'command="sh" {ANNE}',
        f"no-pty {ANNE}",
        f"{ANNE} x\x00",
        pytest.param(WEAK, id="rsa of 2048"),
        SECRET_HALF,
    ],
)
def test_whatever_else_is_refused_in_two_lines(text):
    with pytest.raises(OperatorError) as refused:
        operators.key_of(text)
    assert len(str(refused.value).splitlines()) == 2
    assert refused.value.next_step


def test_a_private_key_is_not_repeated(tmp_path):
    file = tmp_path / "id"
    file.write_text(f"{SECRET_HALF}\nc2VjcmV0\n")
    with pytest.raises(OperatorError, match="this is a private key") as refused:
        operators.given_key(str(file))
    assert "c2Vj" not in str(refused.value)


def test_the_fingerprint_is_the_one_that_ssh_keygen_prints():
    said = subprocess.run(
        ["ssh-keygen", "-l", "-f", "-"], input=ANNE, capture_output=True, text=True, check=True
    ).stdout
    assert operators.fingerprint(ANNE) in said


def test_the_first_addition_also_names_this_machines_own_key(file):
    assert "new: ada2, anne" in ask("add", name="anne", key=ANNE)
    assert operators.read(file) == {"ada2": OWN, "anne": ANNE}
    assert "new: ben" in ask("add", name="ben", key=BEN)
    assert "nobody new" in ask("add", name="ben", key=f"{BEN} ben@desk")
    assert operators.read(file) == {"ada2": OWN, "anne": ANNE, "ben": BEN}


def test_this_machines_own_key_is_named_as_its_operator_wants(file):
    ask("add", name="ada", key=OWN)
    assert operators.read(file) == {"ada": OWN}


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("Anne", BEN, "no name"),
        ("a b", BEN, "no name"),
        ("-x", BEN, "no name"),
        ("anne", BEN, "there is another key of 'anne'"),
        ("ben", ANNE, "the key of 'anne'"),
        ("ben", "/nowhere.pub", "cannot be read"),
    ],
)
def test_what_would_mix_up_two_people_is_refused_and_nothing_written(file, name, key, said):
    ask("add", name="anne", key=ANNE)
    before = file.read_text()
    with pytest.raises(OperatorError, match=said):
        ask("add", name=name, key=key)
    assert file.read_text() == before


def test_somebody_is_removed_but_not_everybody(file):
    ask("add", name="anne", key=ANNE)
    assert "without ada2" in ask("remove", name="ada2")
    for name, said in (("anne", "the only one left"), ("ben", "is no operator: anne")):
        with pytest.raises(OperatorError, match=said):
            ask("remove", name=name)
    assert operators.read(file) == {"anne": ANNE}


def test_every_wrong_line_of_the_list_is_named(file):
    file.write_text(f"# who\n\n{ANNE} anne\n{BEN}\nno-pty {OWN} ben\n{ANNE} carl\n")
    with pytest.raises(OperatorError) as refused:
        operators.read(file)
    assert [f"operators.txt:{number}" in str(refused.value) for number in (3, 4, 5, 6)] == [
        False,
        True,
        True,
        True,
    ]


def tasks():
    return yaml.safe_load((ROLES / "base/tasks/operators.yml").read_text())


def holds(task, **variables):
    condition = trust_as_template(task["ansible.builtin.assert"]["that"])
    return templar("base", **variables).evaluate_conditional(condition)


@pytest.mark.parametrize(
    ("line", "is_taken"),
    [
        (f"{ANNE} anne", True),
        (f"{ANNE}", False),
        (f"no-pty {ANNE} anne", False),
        (f"{ANNE} anne\n{BEN} ben", False),
        (f"{ANNE} an ne", False),
        (f"{ANNE} Anne", False),
    ],
)
def test_a_deployment_takes_no_line_that_somebody_wrote_by_hand_and_wrong(line, is_taken):
    assert holds(tasks()[0], item=line) is is_taken


def test_a_deployment_does_not_lock_out_the_machine_that_runs_it():
    lines = [f"{ANNE} anne", f"{BEN} ben"]
    assert holds(tasks()[1], base_operators=lines, base_own_keys=[OWN, BEN]) is True
    assert holds(tasks()[1], base_operators=lines, base_own_keys=[OWN]) is False
