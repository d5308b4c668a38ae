"""Role tls on this machine: one run, in which each situation is a host with a state of its own.

A certificate is made when it is needed, and only then; one from elsewhere that would fail is
refused. What is put in its way is in tests/certificates.py.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollout.secrets import encrypt_authority
from tests.certificates import authority, certify, fingerprint

# One process: the run is made once, and has all processors.
pytestmark = pytest.mark.xdist_group("tls")
ROOT = Path(__file__).parents[2]
OWN = ["127.0.0.1", "127.8.9.10", "::1"]
DOMAIN = "test.ctlv.internal"
ADDRESSES = ["198.18.28.156", "198.18.112.156"]
SIGNED = {
    "fresh": True,
    "earlier-version": False,
    "67-days-left": False,
    "57-days-left": True,
    "another-address": True,
    "another-authority": True,
    "broken-certificate": True,
    "strange-key": True,
    "known-authority": False,
    "encrypted-key": True,
}
NOT_SIGNED = {
    "no-authority": "is not the authority that",
    "another-authority-known": "is not the authority that",
    "no-fingerprint-known": "is not the authority that",
    "no-authority-key": "ca.key does not exist",
    "broken-authority": "Unable to load",
    "broken-authority-key": "Unable to load",
    "strange-authority-key": "does not belong to the CA certificate",
    "nonsense-address": "nonsense",
    "wrong-password": "Incorrect password",
}
FITS = {
    "name-fits": ["127.0.0.1", "Agenda.example.org"],
    "address-fits": ["192.0.2.7"],
    "wildcard-fits": ["b.wild.example.org"],
}
REFUSED = {
    "ended": "is valid from",
    "not-yet": "is valid from",
    "another-name": "this host answers to 192.0.2.8",
    "only-itself": "this host answers to 192.0.2.7, a.example.org",
    "wildcard-is-one-label": "answers to wild.example.org, a.b.wild.example.org",
    "another-key": "does not belong to",
    "open-key": "chmod 600",
    "no-key": "cannot be used",
    "no-file": "cannot be used",
    "der": "is not PEM",
    "not-a-key": "cannot be used",
}


def state_for(name: str, folder: Path) -> dict[str, Any]:
    """The variables of one host to sign for, and what its state folder holds before."""
    tls = folder / name / "tls"
    given = {"tls_state": str(tls.parent), "tls_addresses": ADDRESSES, "tls_domain": DOMAIN}
    if name == "no-authority":
        authority(folder / "elsewhere")
    else:
        authority(tls)
    days = {"67-days-left": 67, "57-days-left": 57}.get(name, 397)
    if name not in ("fresh", *NOT_SIGNED):
        certify(tls, name, ADDRESSES[:1] if name == "another-address" else ADDRESSES,
                days=(0, days), domain=f".{DOMAIN}")  # fmt: skip
        certify(tls, "another", ADDRESSES)
    what, _, which = name.partition("-")
    file = {"certificate": f"{name}.pem", "key": f"{name}.key", "authority": "ca.pem",
            "authority-key": "ca.key"}.get(which, "")  # fmt: skip
    if name in ("encrypted-key", "wrong-password"):
        (tls / f"{name}.pem").unlink(missing_ok=True)
        encrypt_authority(tls / "ca.key", b"the vault's" if what == "encrypted" else b"another")
        given["tls_authority_password_command"] = f"cat {tls.parent / 'password'}"
        (tls.parent / "password").write_text("the vault's\n")
    elif what == "broken":
        (tls / file).write_text("garbage")
    elif name == "no-authority-key":
        (tls / file).unlink()
    elif name == "another-authority":
        authority(tls)
    elif name == "strange-authority-key":
        authority(folder / "strange")
        shutil.copy(folder / "strange/ca.key", tls)
    elif what == "strange":
        shutil.copy((tls / file).with_stem("another"), tls / file)
    elif name == "nonsense-address":
        given["tls_addresses"] = ["nonsense"]
    known = {"no-authority": "AA", "no-fingerprint-known": "<<<<<<< HEAD",
             "known-authority": fingerprint(tls / "ca.pem") if name[0] == "k" else ""}  # fmt: skip
    if name == "another-authority-known":
        authority(folder / "other")
        known[name] = fingerprint(folder / "other/ca.pem")
    if name in known:
        (folder / f"{name}.txt").write_text(known[name] + "\n")
    return {**given, "tls_authority_file": str(folder / f"{name}.txt")}


def pair_for(name: str, folder: Path) -> dict[str, Any]:
    """The variables of one host with a certificate from elsewhere."""
    place = folder / name
    authority(place)
    subject = {"only-itself": "localhost", "wildcard-fits": "*.wild.example.org",
               "wildcard-is-one-label": "*.wild.example.org"}  # fmt: skip
    addresses = OWN if name == "only-itself" else ["192.0.2.7"]
    days = {"ended": (-9.0, -1.0), "not-yet": (2.0, 9.0)}.get(name, (0.0, 9.0))
    file = certify(place, subject.get(name, "agenda.example.org"), addresses, days=days)
    key = file.with_suffix(".key")
    if name == "another-key":
        key = certify(place, "other", addresses).with_suffix(".key")
    elif name == "open-key":
        key.chmod(0o644)
    elif name in ("no-key", "no-file"):
        (key if name == "no-key" else file).unlink()
    elif name == "der":
        file.write_bytes(ssl.PEM_cert_to_DER_cert(file.read_text()))
    elif name == "not-a-key":
        key.write_text("hello")
    asked = {"another-name": ["192.0.2.8"],
             "only-itself": [*OWN, "192.0.2.7", "a.example.org", "LOCALHOST"],
             "wildcard-is-one-label": ["wild.example.org", "a.b.wild.example.org"]}  # fmt: skip
    names = {**FITS, **asked}.get(name, ["192.0.2.7"])
    return {"tls_site_file": str(file), "tls_site_key_file": str(key), "tls_site_names": names}


class Run:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        groups = {
            "sign": {name: state_for(name, folder) for name in (*SIGNED, *NOT_SIGNED)},
            "judge": {name: pair_for(name, folder) for name in (*FITS, *REFUSED)},
        }
        self.before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
        inventory = {name: {"hosts": hosts} for name, hosts in groups.items()}
        (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
        plays = [
            self.play("sign", "sign"),
            self.play("judge", "judge"),
            self.play("sign", "fresh:strange-key"),
        ]
        (folder / "play.yml").write_text(yaml.safe_dump(plays))
        ended = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", "--inventory", folder / "hosts.yml",
             "--diff", folder / "play.yml"],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )  # fmt: skip
        self.said = ended.stdout + ended.stderr
        self.plays = json.loads(ended.stdout[ended.stdout.index("{") :])["plays"]

    @staticmethod
    def play(tasks: str, hosts: str) -> dict[str, Any]:
        step = {"ansible.builtin.import_role": {"name": "tls", "tasks_from": tasks}}
        return {"hosts": hosts, "gather_facts": False, "any_errors_fatal": False, "tasks": [step]}

    def results(self, play: int, host: str) -> list[dict[str, Any]]:
        tasks = self.plays[play]["tasks"] if play < len(self.plays) else []
        return [task["hosts"][host] for task in tasks if host in task["hosts"]]

    def failure(self, play: int, host: str) -> str:
        """What the last task of a host said, when it failed; "" when it did not."""
        last = self.results(play, host)[-1]
        return str(last["msg"]) if last.get("failed") else ""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize(("situation", "made"), SIGNED.items())
def test_a_certificate_is_made_when_it_is_needed_and_only_then(run, situation, made):
    place = run.folder / situation / "tls"
    assert run.failure(0, situation) == ""
    pair = [place / f"{situation}.pem", place / f"{situation}.key"]
    assert any(path.read_bytes() != run.before.get(path) for path in pair) is made
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*pair)
    check = ["openssl", "verify", "-x509_strict", "-CAfile", place / "ca.pem", "-verify_ip"]

    def verified(address):
        command = [*check, address, pair[0]]
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0

    assert [verified(address) for address in (*ADDRESSES, "198.18.28.157")] == [True, True, False]
    assert pair[1].stat().st_mode & 0o777 == 0o600


def test_what_was_made_is_not_made_again(run):
    for host in ("fresh", "strange-key"):
        assert run.failure(2, host) == ""
        assert all(result["skipped"] for result in run.results(2, host))


@pytest.mark.parametrize(("situation", "said"), NOT_SIGNED.items())
def test_what_cannot_be_signed_is_said_in_two_lines_and_nothing_is_signed(run, situation, said):
    """A key of another authority would sign what nobody accepts; so would another authority."""
    first, second = run.failure(0, situation).splitlines()
    assert said in first
    assert second.startswith("  Next: ")
    assert not (run.folder / situation / f"tls/{situation}.pem").exists()


@pytest.mark.parametrize("situation", FITS)
def test_a_pair_from_elsewhere_that_fits_may_serve(run, situation):
    assert run.results(1, situation)[-1]["msg"] == "All assertions passed"


@pytest.mark.parametrize(("situation", "said"), REFUSED.items())
def test_a_pair_that_would_fail_is_refused_in_two_lines(run, situation, said):
    lines = run.failure(1, situation).splitlines()
    assert said in "".join(lines)
    assert len(lines) == 2
    assert lines[1].startswith("  Next: ")


def test_no_key_is_in_what_a_run_says(run):
    keys = list(run.folder.rglob("*.key"))
    assert len(keys) > len(SIGNED)
    bodies = [line for key in keys for line in key.read_text().splitlines() if "-----" not in line]
    # The first line of a key names its kind alone; its last holds the public half.
    assert not [line for line in bodies[::3] if len(line) > 20 and line in run.said]


@pytest.mark.parametrize("book", ["site", "redeploy"])
def test_a_machine_with_another_authority_is_stopped_before_a_host_is_changed(book):
    first = yaml.safe_load((ROOT / f"ansible/{book}.yml").read_text())[0]
    asked = {"name": "tls", "tasks_from": "known"}
    assert first["tasks"][0]["ansible.builtin.import_role"] == asked


def test_nginx_speaks_tls_before_the_agenda_leads_people_there_and_forgets_it_after():
    plays = yaml.safe_load((ROOT / "ansible/site.yml").read_text())
    names = [play["name"] for play in plays]
    release = names.index("Bring the release and let it serve")
    early = names.index("Speak TLS before anybody is led there")
    assert early < release < names.index("Answer for the agenda")
    (task,) = plays[early]["tasks"]
    assert task["ansible.builtin.include_role"] == {"name": "nginx"}
    assert "443 not in" in task["when"]
