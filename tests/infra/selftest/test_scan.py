"""The scanner finds what listens, and no more: on loopback, without root."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from tests.infra.remote import ON_HOST


def scan(*targets, timeout_s=0.5):
    asked = {"targets": list(targets), "timeout_s": timeout_s}
    ended = subprocess.run(
        [sys.executable, str(ON_HOST / "scan.py")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(ended.stdout)


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")]
)
def test_a_listening_port_answers_and_its_neighbour_does_not(family, address):
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        found = scan({"address": address, "ports": [port - 1, port, port + 1]})
    assert found["tried"] == 3
    assert [address, port] in found["open"]


def test_a_port_that_is_bound_but_not_listening_does_not_answer():
    with socket.socket() as bound:
        bound.bind(("127.0.0.2", 0))
        found = scan({"address": "127.0.0.2", "ports": [bound.getsockname()[1]]})
    assert found["open"] == []
