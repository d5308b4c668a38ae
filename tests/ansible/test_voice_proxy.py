"""The voice's proxy as its role writes it, in Debian's own program."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time

import pytest

from tests.ansible.rendering import rendered

pytestmark = pytest.mark.skipif(not shutil.which("tinyproxy"), reason="tinyproxy is not installed")
STARTS_S = 10.0


@pytest.fixture
def asked(tmp_path, request):
    """Ask it for something; its first line. It leads to the hosts that the test names."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {
        "voice_proxy_listen": "127.0.0.1",
        "voice_proxy_port": port,
        "voice_proxy_clients": ["127.0.0.1"],
        "voice_proxy_hosts": request.param,
        "__voice_proxy_filter": str(tmp_path / "filter"),
    }
    named = rendered("voice_proxy", "voice-filter.j2", **given)
    assert named.strip()  # what has no content is a folder to host_files
    (tmp_path / "filter").write_text(named)
    (tmp_path / "voice.conf").write_text(rendered("voice_proxy", "voice.conf.j2", **given))

    def ask(line, source="127.0.0.1"):
        way = socket.create_connection(("127.0.0.1", port), 5.0, source_address=(source, 0))
        with way, way.makefile("rb") as said:
            way.sendall(f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            return said.readline().decode().strip()

    command = ["tinyproxy", "-d", "-c", tmp_path / "voice.conf"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as proxy:
        try:
            ends = time.monotonic() + STARTS_S
            while not is_open(port):
                assert proxy.poll() is None
                assert time.monotonic() < ends
            yield ask
        finally:
            proxy.terminate()


def is_open(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("asked", [["127.0.0.1"]], indirect=True)
def test_it_leads_to_port_443_of_the_one_host_and_to_nothing_else(asked):
    # Nobody listens there: that it tried is all there is to see.
    assert asked("CONNECT 127.0.0.1:443").split()[1] == "500"
    for line in (
        "CONNECT 127.0.0.1:22",
        "CONNECT 127.0.0.2:443",
        "CONNECT 127.0.0.1.example.org:443",
        "CONNECT x127.0.0.1:443",
        "CONNECT 127a0.0.1:443",
        "GET http://127.0.0.2/",
    ):
        assert asked(line).split()[1] == "403", line


@pytest.mark.parametrize("asked", [[]], indirect=True)
def test_without_a_host_it_refuses_everything(asked):
    assert asked("CONNECT translate.google.com:443").split()[1] == "403"


@pytest.mark.parametrize("asked", [["127.0.0.1"]], indirect=True)
def test_it_knows_nobody_but_its_clients(asked):
    assert asked("CONNECT 127.0.0.1:443", source="127.0.0.3").split()[1] == "403"
