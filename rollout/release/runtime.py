"""The Python environment of a release: wheels built in a root of the target's Debian release.

Built where it will lie, /opt/agenda/shared/NAME, because a virtual environment knows its own path.
mmdebstrap does the chroot and, for an ordinary user, the user namespace.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from provision.errors import OperatorError

HOME = "/opt/agenda/shared"
# Everything a wheel needs to be built, nothing of which reaches the target.
ROOT_PACKAGES = "gcc,libc6-dev,libmariadb-dev,pkg-config,python3-dev,python3-venv"
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
TIMEOUT_S = 900
ONLINE = "try 'apt-get update' and 'pip download pip': is this machine online?"
# Stages that make no sense for a root that exists already.
REUSE = "--skip=update,cleanup,chroot/policy-rc.d,chroot/start-stop-daemon"

BUILD = """\
#!/bin/sh
set -eu
cd /build
export {pip_settings}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
python3 -m venv tools
tools/bin/pip install --quiet --require-hashes --requirement build.txt
tools/bin/pip wheel --quiet --no-deps --require-hashes --no-build-isolation \\
  --wheel-dir wheels --requirement app.txt
python3 -m venv --without-pip {home}
tools/bin/pip --python {home}/bin/python install --quiet --no-index --no-deps --no-compile \\
  wheels/*.whl
{home}/bin/python -m compileall -q {home}/lib || true
chown -R 0:0 {home}
: > .complete
tar --create --gzip --file runtime.tar.gz --owner=0 --group=0 \\
  --directory {home} . --directory /build .complete
"""


def build_runtime(*, debian: str, name: str, requirements: Path, cache: Path, target: Path) -> None:
    """Write the archive of the environment `name` to `target`; make the root when it lacks.

    `requirements` is the folder of app.txt (what it holds) and build.txt (what builds the wheels:
    Debian 12's own setuptools is too old for mysqlclient).
    """
    root = cache / "roots" / f"{debian}.tar.zst"
    if not root.exists():
        _build_root(debian=debian, target=root)
    with tempfile.TemporaryDirectory(prefix="ctlv-runtime-", dir=cache) as folder:
        work = Path(folder)
        run(["zstd", "--quiet", "--decompress", str(root), "-o", str(work / "root.tar")])
        (work / "build.sh").write_text(_build_script(name), encoding="utf-8")
        shutil.copy("/etc/resolv.conf", work / "resolv.conf")
        run(_build_command(debian=debian, name=name, requirements=requirements, work=work))
        (work / "runtime.tar.gz").replace(target)


def _build_root(*, debian: str, target: Path) -> None:
    print(f"release: making a Debian {debian} root, once (about 30 s)", file=sys.stderr)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name.removesuffix('.tar.zst')}.unfinished.tar.zst")
    variant = ["--variant=minbase", f"--include={ROOT_PACKAGES}"]
    proxies = ["Acquire::http::Proxy", "Acquire::https::Proxy"]
    told = run(["apt-config", "dump", "--format", '%F "%v";%n', *proxies]).splitlines()
    proxy = [f"--aptopt={line}" for line in told if line and '""' not in line]
    run(["mmdebstrap", "--quiet", *variant, *proxy, debian, str(unfinished), *_sources(debian)])
    unfinished.replace(target)


def _build_script(name: str) -> str:
    """An index may want a password: everybody sees a command line, and nobody this file."""
    return BUILD.format(home=f"{HOME}/{name}", pip_settings=_pip_settings())


def _build_command(*, debian: str, name: str, requirements: Path, work: Path) -> list[str]:
    hooks = [
        'mkdir -m 0700 "$1/build"',
        f'mkdir -p "$1{HOME}/{name}" "$1{BUNDLE.parent}"',
        f"upload {requirements / 'app.txt'} /build/app.txt",
        f"upload {requirements / 'build.txt'} /build/build.txt",
        f"upload {work / 'build.sh'} /build/build.sh",
        f"upload {work / 'resolv.conf'} /etc/resolv.conf",
        *([f"upload {BUNDLE} {BUNDLE}"] if BUNDLE.exists() else []),
        'chroot "$1" sh /build/build.sh',
        f"download /build/runtime.tar.gz {work / 'runtime.tar.gz'}",
    ]
    return [
        *("mmdebstrap", "--quiet", "--variant=custom", "--format=null", REUSE),
        f"--setup-hook=tar-in {work / 'root.tar'} /",
        *(f"--customize-hook={hook}" for hook in hooks),
        *(debian, "/dev/null"),
    ]


def _sources(debian: str) -> list[str]:
    """Lines of apt's sources for `debian`, from where this machine's own packages come."""
    form = "$(CODENAME) $(REPO_URI)"
    listed = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    ours = platform.freedesktop_os_release()["VERSION_CODENAME"]
    lines = {}
    for line in listed.splitlines():
        codename, uri = line.split(" ", 1)
        if codename in {ours, f"{ours}-security"}:
            suite = codename.replace(ours, debian)
            lines[suite] = f"deb {uri.rstrip('/')} {suite} main"
    if debian not in lines:
        raise OperatorError(
            f"no apt source of this machine offers {ours}, so none is known for {debian}",
            next_step="see /etc/apt/sources.list.d/, then 'apt-get update'",
        )
    return [lines[suite] for suite in sorted(lines)]


def _pip_settings() -> str:
    """This machine's own package index, for the pip in the root; its folders are not there."""
    listed = run([sys.executable, "-m", "pip", "config", "list"])
    settings = {"PIP_FIND_LINKS": "", "PIP_CONSTRAINT": "", "PIP_CERT": str(BUNDLE)}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in {"index-url", "extra-index-url", "trusted-host", "proxy"}:
            words = [word for word in value.strip("'").split() if not word.startswith("file:")]
            settings[f"PIP_{name.upper().replace('-', '_')}"] = " ".join(words)
    return " ".join(f"'{name}={value}'" for name, value in settings.items() if "'" not in value)


def run(
    command: list[str], next_step: str = ONLINE, *, environment: dict[str, str] | None = None
) -> str:
    """What it says. Raises OperatorError with its last words when it fails."""
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).splitlines()
        last = [line for line in lines if line.strip()][-4:] or ["nothing"]
        raise OperatorError(
            f"{Path(command[0]).name} failed with {done.returncode}: {' / '.join(last)}",
            next_step=next_step,
        )
    return done.stdout
