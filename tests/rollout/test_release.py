"""The release builder: the same inputs give the same name and the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile

import pytest

from rollout.release import build, runtime


@pytest.fixture
def tree(tmp_path):
    """A small project under git, everything committed."""
    root = tmp_path / "project"
    for name, text in {
        "app/manage.py": "print('manage')\n",
        "app/agenda/models.py": "x = 1\n",
        "requirements/app.txt": "django==5.2 --hash=sha256:0\n",
        "requirements/build.txt": "setuptools==82.0 --hash=sha256:0\n",
        "README.md": "read me\n",
        ".gitignore": "*.pyc\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "-q")
    commit(root)
    return root


def git(root, *arguments):
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", root, *who, *arguments], check=True, timeout=30)


def commit(root):
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")


def read(root, debian="trixie"):
    return build.read_inputs(root, debian=debian)


def test_same_inputs_have_the_same_name(tree):
    assert read(tree) == read(tree)
    assert not read(tree).release.endswith("-dirty")


def test_files_that_are_not_shipped_change_nothing(tree):
    before = read(tree)
    (tree / "README.md").write_text("read me again\n")
    (tree / "app/agenda/models.pyc").write_text("ignored by git\n")

    assert read(tree) == before


@pytest.mark.parametrize(
    ("change", "release_changes", "runtime_changes"),
    [
        pytest.param(("app/agenda/models.py", "x = 2\n"), True, False, id="a line of code"),
        pytest.param(("app/agenda/new.py", "y = 1\n"), True, False, id="a new file, not yet added"),
        pytest.param(("requirements/app.txt", "django==5.3\n"), True, True, id="requirements"),
        pytest.param(("requirements/build.txt", "setuptools==83\n"), True, True, id="build tools"),
    ],
)
def test_inputs_decide_the_names(tree, change, release_changes, runtime_changes):
    before = read(tree)
    (tree / change[0]).write_text(change[1])
    commit(tree)
    after = read(tree)

    assert (after.release != before.release) is release_changes
    assert (after.runtime != before.runtime) is runtime_changes


def test_another_debian_release_is_another_release(tree):
    assert read(tree, "trixie").release != read(tree, "bookworm").release
    assert read(tree, "trixie").runtime != read(tree, "bookworm").runtime


def test_file_that_becomes_a_program_is_another_release(tree):
    before = read(tree)
    (tree / "app/manage.py").chmod(0o755)

    assert read(tree).release.removesuffix("-dirty") != before.release


def test_uncommitted_change_is_labelled(tree):
    (tree / "app/agenda/models.py").write_text("x = 3\n")

    assert read(tree).release.endswith("-dirty")


def test_deleted_file_is_not_shipped(tree):
    (tree / "app/agenda/models.py").unlink()

    assert [str(name) for name in read(tree).files] == ["app/manage.py"]


def test_archive_is_decided_by_its_content_and_ends_with_the_marker(tmp_path):
    source = tmp_path / "source"
    (source / "app").mkdir(parents=True)
    (source / "app/b.py").write_text("b")
    (source / "app/a.py").write_text("a")
    (source / "app/a.py").chmod(0o600)
    (source / "venv").symlink_to("../../shared/x")

    build.pack(source, tmp_path / "one.tar.gz")
    (source / "app/a.py").touch()
    build.pack(source, tmp_path / "two.tar.gz")

    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as packed:
        assert packed.getnames() == ["app", "app/a.py", "app/b.py", "venv", ".complete"]
        assert packed.getmember("venv").linkname == "../../shared/x"
        assert {(m.uid, m.gid, m.mtime) for m in packed} == {(0, 0, build.LONG_AGO_S)}
        assert packed.getmember("app/a.py").mode == 0o644
    assert not list(tmp_path.glob(".*unfinished*"))


def test_an_archive_says_what_it_is_made_of(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_collect_static", lambda *_, **__: None)
    inputs = read(tree)

    runtime_archive = tmp_path / "runtime.tar.gz"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/usr/bin/python3")
    with tarfile.open(runtime_archive, "w:gz") as archive:
        archive.add(tmp_path / "bin", "./bin")
    build.build_application(inputs, tmp_path / "release.tar.gz", runtime_archive=runtime_archive)

    with tarfile.open(tmp_path / "release.tar.gz") as archive:
        bill = json.load(archive.extractfile("sbom.json"))
        manifest = json.load(archive.extractfile(build.MANIFEST))
        names = {m.name for m in archive if not m.isdir()}
    assert names - {build.LAST, build.MANIFEST} == manifest.keys() - {"venv/bin/python"}
    assert manifest["app/manage.py"] == hashlib.sha256(b"print('manage')\n").hexdigest()
    assert manifest["venv"] == f"link ../../shared/{inputs.runtime}"
    assert manifest["venv/bin/python"] == "link /usr/bin/python3"
    assert bill["metadata"]["component"]["version"] == inputs.release
    assert [component["purl"] for component in bill["components"]] == ["pkg:pypi/django@5.2"]


def test_known_release_is_not_built_again(tree, tmp_path, monkeypatch):
    wanted = read(tree)
    (tmp_path / "releases").mkdir()
    for name in (wanted.release, wanted.runtime):
        (tmp_path / f"releases/{name}.tar.gz").touch()
    monkeypatch.setattr(build, "build_runtime", None)
    monkeypatch.setattr(build, "build_application", None)

    answer = build.build(tree, debian="trixie", cache=tmp_path)

    assert answer["built"] is False
    assert answer["release"] == wanted.release


def test_new_line_of_code_builds_no_python_environment(tree, tmp_path, monkeypatch):
    (tmp_path / "releases").mkdir()
    (tmp_path / f"releases/{read(tree).runtime}.tar.gz").touch()
    built = []
    monkeypatch.setattr(build, "build_runtime", None)
    monkeypatch.setattr(
        build, "build_application", lambda _inputs, target, **_: built.append(target.name)
    )

    answer = build.build(tree, debian="trixie", cache=tmp_path)

    assert built == [f"{answer['release']}.tar.gz"]
    assert answer["built"] is True


def test_a_password_of_the_package_index_is_on_no_command_line(tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://me:hidden@example.org/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))

    script = runtime._build_script("python-x")
    command = runtime._build_command(
        debian="trixie", name="python-x", requirements=tmp_path, work=tmp_path
    )

    assert "'PIP_INDEX_URL=https://me:hidden@example.org/simple'" in script
    assert "hidden" not in " ".join(command)
    closed = next(number for number, word in enumerate(command) if "mkdir -m 0700" in word)
    assert closed < next(number for number, word in enumerate(command) if "build.sh" in word)


def test_the_build_script_is_one_that_a_shell_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "_pip_settings", lambda: "'A=$(id) b' 'C=;'")
    script = tmp_path / "build.sh"
    script.write_text(runtime._build_script("python-x"))
    subprocess.run(["sh", "-n", script], check=True, timeout=10)
    head = script.read_text().partition("python3 -m venv")[0].replace("cd /build", "")
    shown = subprocess.run(
        ["sh", "-c", f'{head}\nprintf "%s|%s" "$A" "$C"'],
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
    ).stdout
    assert shown == "$(id) b|;"


@pytest.mark.parametrize(
    ("name", "value"),
    [("PATH", "/nowhere"), ("XDG_CACHE_HOME", "/dev/null"), ("GIT_DIR", "/nowhere")],
)
def test_what_the_builder_lacks_is_said_in_two_lines(tmp_path, name, value):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), name: value}
    ended = subprocess.run(
        [sys.executable, "-m", "rollout.release.build", "--debian", "trixie"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert [line[:8] for line in ended.stderr.splitlines()] == ["release:", "  Next: "], (
        ended.stderr
    )
