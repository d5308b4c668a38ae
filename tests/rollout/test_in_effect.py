"""What is in effect on a host and nothing explains: the judgement, and how each thing is read."""

from __future__ import annotations

import json
import os
import py_compile
from pathlib import Path

import pytest

from rollout import in_effect
from rollout.release import build

WANTS = "/etc/systemd/system/timers.target.wants"


@pytest.mark.parametrize(
    ("now", "record", "told"),
    [
        pytest.param({}, {}, [], id="nothing"),
        pytest.param({"user": {"eve": "uid 0"}}, {}, [("user", "eve", "uid 0")], id="more"),
        pytest.param({"user": {"eve": "a"}}, {"user": {"eve": "a"}}, [], id="it came with it"),
        pytest.param(
            {"user": {"eve": "a"}},
            {"user": {"eve": "b"}},
            [("user", "eve", "a (was: b)")],
            id="changed",
        ),
        pytest.param({}, {"user": {"eve": "a"}}, [("user", "eve", "is gone")], id="gone"),
        pytest.param({}, {"mode": {"/bin/su": "4755"}}, [], id="a power that is gone harms nobody"),
        pytest.param({}, {"unit": {"/run/systemd/system/x.service": "a"}}, [], id="of a boot"),
        pytest.param({"kernel setting": {"new": "1"}}, {}, [], id="another kernel has others"),
        pytest.param(
            {"kernel setting": {"ip_forward": "1"}},
            {"kernel setting": {"ip_forward": "0"}},
            [("kernel setting", "ip_forward", "1 (was: 0)")],
            id="a kernel setting",
        ),
        pytest.param({"file": {"/etc/ours": "a"}}, {}, [], id="deploy writes it"),
        pytest.param({}, {"file": {"/etc/old": "a"}}, [], id="deploy removed it"),
        pytest.param({"SSH key": {"/etc/ours: me 12": "-"}}, {}, [], id="a line of deploy's file"),
        pytest.param({"unit": {f"{WANTS}/ours.timer": "a"}}, {}, [], id="deploy enables it"),
        pytest.param(
            {"unit": {f"{WANTS}/eve.timer": "a"}},
            {},
            [("unit", f"{WANTS}/eve.timer", "a")],
            id="enabled by hand",
        ),
    ],
)
def test_what_neither_packages_nor_deploy_explain_is_named(now, record, told):
    declared = frozenset({"/etc/ours", "/etc/systemd/system/ours.timer"})
    found = in_effect.unexplained(now, record, declared=declared, absent=frozenset({"/etc/old"}))
    assert list(found) == told


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/etc/cron.d/x", "cron job"),
        ("/var/spool/cron/crontabs/root", "cron job"),
        ("/etc/sudoers.d/x", "right to be root"),
        ("/etc/ssh/sshd_config.d/0.conf", "SSH setting"),
        ("/etc/apt/sources.list.d/x.list", "package source"),
        ("/etc/systemd/system/x.service.d/y.conf", "unit"),
        ("/run/systemd/transient/x.service", "unit"),
        ("/root/.my.cnf", "setting of MariaDB"),
        ("/etc/ld.so.preload", "file"),
    ],
)
def test_a_file_is_called_by_what_it_does(path, kind):
    assert in_effect.kind_of(path) == kind
    assert not in_effect.MADE.fullmatch(path)


RULES = """table inet ctlv {
  set opened {
    type ipv4_addr
    elements = { 198.18.28.1 limit rate 100/second timeout 1m,
                 198.18.28.2 }
  }
  chain input {
    type filter hook input priority filter; policy drop;
    tcp dport 22 accept
  }
}
"""


def test_rules_are_told_with_their_place_and_without_what_a_set_has_learned():
    assert in_effect.rules(RULES) == [
        "table inet ctlv, set opened: type ipv4_addr",
        "table inet ctlv, chain input: type filter hook input priority filter; policy drop;",
        "table inet ctlv, chain input: tcp dport 22 accept",
    ]


def answers(monkeypatch, **by_program):
    monkeypatch.setattr(in_effect, "said", lambda program, *_, **__: by_program[program])


@pytest.mark.parametrize(
    ("live", "told"),
    [
        pytest.param(RULES, [], id="the same"),
        pytest.param(
            RULES.replace("22 accept", "22 accept\n tcp dport 4444 accept"),
            ["table inet ctlv, chain input: tcp dport 4444 accept"],
            id="a rule more",
        ),
        pytest.param(
            RULES.replace("tcp dport 22 accept", ""),
            ["table inet ctlv, chain input: tcp dport 22 accept"],
            id="a rule less",
        ),
    ],
)
def test_the_kernels_rules_are_compared_with_those_of_the_files(monkeypatch, live, told):
    monkeypatch.setattr(in_effect.Path, "exists", lambda _: True)
    answers(monkeypatch, nft=live, unshare=RULES)
    assert [name for _, name, _ in in_effect.firewall()] == told


def test_a_user_is_explained_by_sysusers_unless_it_became_more(monkeypatch):
    monkeypatch.setattr(
        in_effect, "told_by_sysusers", lambda: ({"a": ("/", "/sbin/nologin")}, {"a"}, {("a", "g")})
    )
    files = {
        "/etc/passwd": ["a:x:9:9::/:/sbin/nologin", "root:x:0:0::/root:/bin/bash"],
        "/etc/shadow": ["a:!*:1::", "root:!:1::"],
        "/etc/group": ["a:x:9:", "g:x:10:a,eve"],
    }
    monkeypatch.setattr(in_effect, "lines", files.__getitem__)
    before = list(in_effect.people())
    assert [fact[:2] for fact in before] == [
        ("user", "root"), ("group", "g"), ("group", "g: member eve")
    ]  # fmt: skip
    files["/etc/shadow"][0] = "a:$y$secret:1::"
    (more,) = set(in_effect.people()) - set(before)
    assert more[1] == "a"
    assert more[2].endswith("password set")
    assert "secret" not in more[2]


def test_each_key_is_told_with_its_options_and_not_whole(tmp_path):
    file = tmp_path / "authorized_keys"
    file.write_text("# of Proxmox\n\nssh-ed25519 AAAAC3Nz me@home\nno-pty ssh-rsa AAAAB3 eve\n")
    told = list(in_effect.keys_in(str(file)))
    assert [(name.rpartition(" ")[0], options) for _, name, options in told] == [
        (f"{file}: me@home", "no options"),
        (f"{file}: eve", "no-pty"),
    ]
    assert "AAAA" not in str(told)


@pytest.mark.parametrize(
    ("mode", "is_told"),
    [(0o644, False), (0o4755, True), (0o2755, True), (0o666, True), (0o755, False)],
)
def test_who_may_become_or_write_more_is_told(tmp_path, mode, is_told):
    file = tmp_path / "program"
    file.touch()
    file.chmod(mode)
    assert bool(in_effect.powers(str(file), file.stat(), is_owned=False)) is is_told


@pytest.fixture
def release(tmp_path):
    """A release as it lies on a host: its code compiled there."""
    folder, runtime = tmp_path / "releases/r1", tmp_path / "shared/python-1"
    for path in (
        folder / "app/gunicorn.conf.py",
        folder / "static/a.css",
        runtime / "lib/django.py",
    ):
        path.parent.mkdir(parents=True)
        path.write_text("x = 1\n")
    (folder / "venv").symlink_to("../../shared/python-1")
    manifest = build.manifest(folder) | {
        f"venv/{path}": value for path, value in build.manifest(runtime).items()
    }
    (folder / build.MANIFEST).write_text(json.dumps(manifest))
    (folder / "GOOD_RELEASE").touch()
    (runtime / ".complete").touch()
    py_compile.compile(
        str(folder / "app/gunicorn.conf.py"), dfile="app/gunicorn.conf.py", doraise=True
    )
    return folder


def wrong(release: Path) -> list[tuple[str, str]]:
    found = in_effect.of_release(release, set())
    return [(str(Path(path).relative_to(release)), what) for _, path, what in found]


def test_a_release_is_what_its_manifest_says(release):
    assert wrong(release) == []


COMPILED = f"app/__pycache__/gunicorn.conf.{os.sys.implementation.cache_tag}.pyc"


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (lambda r: (r / "static/a.css").write_text("y"), ("static/a.css", "changed")),
        (lambda r: (r / "static/a.css").unlink(), ("static/a.css", "missing")),
        (lambda r: (r / "app/eve.py").touch(), ("app/eve.py", "added")),
        (lambda r: (r / "app/eve").symlink_to("/etc"), ("app/eve", "added")),
        (lambda r: (r / "venv/lib/eve.pth").touch(), ("venv/lib/eve.pth", "added")),
        (lambda r: (r / "venv/lib/django.py").write_text("y"), ("venv/lib/django.py", "changed")),
        (
            lambda r: (r / COMPILED).write_bytes((r / COMPILED).read_bytes()[:16] + b"N"),
            (COMPILED, "is not what its source compiles to"),
        ),
    ],
)
def test_what_was_changed_in_a_release_is_named(release, breaks, told):
    breaks(release)
    assert wrong(release) == [told]


def test_a_record_is_kept_once_and_grows_by_what_packages_make(tmp_path, monkeypatch):
    here = {"user": {"root": "a"}}
    monkeypatch.setattr(in_effect, "RECORD", tmp_path / "record/came-with.json")
    monkeypatch.setattr(in_effect, "BEFORE", tmp_path / "before.json")
    monkeypatch.setattr(in_effect, "gathered", lambda _: json.loads(json.dumps(here)))

    def call(verb):
        monkeypatch.setattr("sys.argv", ["-", verb])
        in_effect.main()
        return in_effect.read(in_effect.RECORD)

    assert call("before") is None
    assert not in_effect.BEFORE.exists(), "without a record there is nothing to grow"
    assert call("record") == {"user": {"root": "a"}}
    assert in_effect.RECORD.stat().st_mode & 0o777 == 0o600
    here["user"]["eve"] = "somebody made it by hand"
    assert call("record") == {"user": {"root": "a"}}
    call("before")
    here["user"]["nginx"] = "its package made it"
    assert call("after") == {"user": {"root": "a", "nginx": "its package made it"}}
    assert not in_effect.BEFORE.exists()
