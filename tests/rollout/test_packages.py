"""What a release is made of, how long its pins stand, and what is known of them."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from provision.environment import ROOT
from rollout import packages

SHIPPED = (ROOT / packages.SHIPPED).read_text("utf-8")
TEXT = """anyio[trio]==4.12 ; python_version < '3.12' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
zope.interface==8.0 \\
    --hash=sha256:cc
# a remark==1
"""


def test_each_pin_is_read_with_its_hashes():
    assert list(packages.pins(TEXT)) == [
        packages.Pin("anyio", "4.12", ("aa", "bb")),
        packages.Pin("zope.interface", "8.0", ("cc",)),
    ]


def test_the_bill_of_what_is_shipped_is_cyclonedx_and_misses_nothing():
    bill = packages.bill_of_materials(SHIPPED, release="0123456789ab")
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))
    assert wrong is None, wrong
    hashes = [entry["content"] for c in bill["components"] for entry in c["hashes"]]
    assert sorted(hashes) == sorted(re.findall(r"sha256:(\w{64})", SHIPPED))
    assert all(component["hashes"] for component in bill["components"])


def test_a_pin_is_as_old_as_its_line(tmp_path):
    (tmp_path / "requirements").mkdir()
    file = tmp_path / packages.SHIPPED
    since = {"django==5.2 \\\n    --hash=sha256:0\n": 400, "gtts==2.5.4\n": 3}
    subprocess.run(["git", "-C", tmp_path, "init", "-q"], check=True, timeout=30)
    now = datetime(2026, 11, 30, tzinfo=UTC)
    for text, days in since.items():
        with file.open("a") as lines:
            lines.write(text)
        date = f"{int(now.timestamp()) - days * 86400} +0000"
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        for words in (["add", "-A"], ["commit", "-q", "-m", "x", "--date", date]):
            subprocess.run(
                ["git", "-C", tmp_path, *who, *words],
                check=True,
                timeout=30,
                env={"GIT_COMMITTER_DATE": date, "PATH": "/usr/bin:/bin"},
            )

    said = packages.old_pins(tmp_path, at=now)

    assert said.startswith("1 of 2 shipped ones were pinned more than 180 days ago: django 5.2 400")


def test_without_a_history_no_age_is_made_up(tmp_path):
    assert "nobody knows" in packages.old_pins(tmp_path, at=datetime.now(UTC))


HOLE = {"name": "django", "version": "5.2", "vulns": [{"id": "CVE-1", "fix_versions": ["5.3"]}]}


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (
            ('{"dependencies": [{"name": "django", "version": "5.2", "vulns": []}]}', ""),
            0,
            "1 pack",
        ),
        ((json.dumps({"dependencies": [HOLE]}), ""), 1, "django 5.2: CVE-1, mended in 5.3"),
        (("", "ERROR: Max retries exceeded"), packages.NOT_PROVED, "NOT PROVED: of all packages"),
        (
            ('{"dependencies": [{"name": "django", "skip_reason": "Not found"}]}', "No known"),
            packages.NOT_PROVED,
            "NOT PROVED: of 1 packages pip-audit's database said nothing: Not found",
        ),
    ],
    ids=["none", "one", "not reachable", "a mirror without it"],
)
def test_known_holes_and_a_database_that_is_away_are_told_apart(
    answer, code, said, monkeypatch, capsys
):
    ended = subprocess.CompletedProcess([], 0, *answer)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    assert packages.audit() == code
    told = capsys.readouterr()
    assert said in told.out + told.err
    assert not code or "\n  Next: " in told.err
