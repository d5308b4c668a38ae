"""docs/rest.md, executed: each of its blocks, in their order, in one shell, as it stands."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from api.problems import KINDS

PAGE = Path(__file__).resolve().parents[3] / "docs/rest.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text("utf-8"))
EXPECTED = "#=> "
BETWEEN = "=== the next block ==="
WRITTEN_API, WRITTEN_TOKEN = "http://127.0.0.1:8081/api/v1", "ctlv_…"

pytestmark = pytest.mark.xdist_group("rest")


@pytest.fixture(scope="module")
def outputs(rest, tmp_path_factory):
    """What each block printed. A command that fails ends the shell."""
    script = f"\necho '{BETWEEN}'\n".join(BLOCKS)
    script = script.replace(WRITTEN_API, f"{rest.address}/api/v1")
    script = script.replace(WRITTEN_TOKEN, rest.token_of("curl"))
    ended = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=script,
        cwd=tmp_path_factory.mktemp("curl"),
        env={"PATH": os.environ["PATH"], "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr
    return ended.stdout.split(BETWEEN)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_example_does_what_the_page_says(outputs, number):
    for line in BLOCKS[number].splitlines():
        if line.startswith(EXPECTED):
            assert line.removeprefix(EXPECTED) in outputs[number]


def test_the_page_expects_something_of_every_example_but_the_settings():
    assert len(BLOCKS) > 10
    assert [block for block in BLOCKS if EXPECTED not in block] == BLOCKS[:1]


def test_the_page_names_every_problem():
    rows = re.findall(r"^\| [\d, ]+ \| ([a-z, -]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    told = {name.strip() for row in rows for name in row.split(",")}
    assert told == set(KINDS) - {"internal", "forbidden"}
