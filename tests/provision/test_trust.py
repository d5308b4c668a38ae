"""A host key is recorded only when a person's fingerprint matches; a wrong one loses nothing."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import pytest

from provision.errors import OperatorError
from provision.ssh import Ssh, fingerprint

OLD = "ssh-ed25519 " + base64.b64encode(b"old").decode()
NEW = "ssh-ed25519 " + base64.b64encode(b"new").decode()
WEB = SimpleNamespace(host="web", address="198.18.28.156")


@pytest.fixture
def ssh(tmp_path):
    """Records in a folder of its own; the container offers NEW."""

    class Offering(Ssh):
        __slots__ = ()

        def _wait_for_keys(self, *_):
            return {NEW: fingerprint(NEW)}

    desired = SimpleNamespace(deployment="d", environment="lab")
    made = Offering(site=SimpleNamespace(state=tmp_path, environment="lab"), desired=desired)
    made.record("web", [OLD])
    return made


def test_a_compared_key_replaces_the_recorded_one(ssh):
    ssh.trust(WEB, fingerprint(NEW), timeout_s=1)
    assert ssh.known_keys("web") == {NEW}


def test_a_wrong_fingerprint_is_refused_and_the_recorded_key_stays(ssh):
    with pytest.raises(OperatorError, match="host key"):
        ssh.trust(WEB, fingerprint(OLD), timeout_s=1)
    assert ssh.known_keys("web") == {OLD}


def test_a_changed_key_is_never_accepted_by_itself(ssh):
    with pytest.raises(OperatorError, match="has changed"):
        ssh.prove(WEB, fingerprints=lambda: frozenset({fingerprint(NEW)}), timeout_s=1)
    assert ssh.known_keys("web") == {OLD}


def test_an_unknown_key_needs_a_report_of_its_creation(ssh):
    ssh.forget("web")
    with pytest.raises(OperatorError, match="cannot be checked"):
        ssh.prove(WEB, fingerprints=frozenset, timeout_s=1)
    assert ssh.known_keys("web") == frozenset()
