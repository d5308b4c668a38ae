"""What is in effect on a host and no package explains. Runs there as root, on Debian's own Python:
`make drift` sends it, and `make deploy` what it keeps.

    python3 - look JSON  of {"declared": [...], "absent": [...]}, the paths that deploy writes and
                         removes; prints what nothing explains, as JSON
    python3 - record     keep all as what the host came with, unless that was done before
    python3 - before     note what is there before packages are installed,
    python3 - after      and count what they made as theirs
    python3 - grants ACCOUNT@HOST...    keep what these accounts of the database may do

A fact is a kind, a name and a value. It is right when a package or deploy explains it, or when the
host came with it: then it is in RECORD.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

RECORD = Path("/var/lib/ctlv/came-with.json")
GRANTS = Path("/var/lib/ctlv/grants.json")
BEFORE = Path("/run/ctlv-before.json")
RELEASES = Path("/opt/agenda/releases")
MANIFEST = "manifest.json"

Fact = tuple[str, str, str]
"""Kind, name, value."""

# Kinds of files, by where they take effect; the first that fits.
PLACES = (
    ("cron job", r"/etc/cron|/etc/anacrontab|/var/spool/(cron|at)"),
    ("right to be root", r"/etc/sudoers|/etc/doas|/etc/polkit-1"),
    ("SSH setting", r"/etc/ssh/"),
    ("package source", r"/etc/apt/|/usr/share/keyrings/"),
    ("unit", r"/(etc|run|usr/lib|usr/local/lib)/systemd/"),
    ("setting of MariaDB", r"/etc/mysql/|/root/\.my\.cnf"),
    ("file", r""),
)
WALKED = (
    *("/var/spool/cron", "/var/spool/at", "/var/www"),
    *("/run/systemd/system", "/run/systemd/system.control", "/run/systemd/transient"),
)
# Data, and what a start makes anew. What of it takes effect is in WALKED or has a kind of its own.
NOT_WALKED = frozenset({"proc", "sys", "dev", "run", "tmp", "var", "lost+found", "mnt"})
# Proved by their manifest.
PROVED = frozenset({"/opt/agenda/releases", "/opt/agenda/shared"})
# What the system makes of what it has, and what no program takes orders from.
MADE = re.compile(
    r"/etc/(mtab|adjtime|ld\.so\.cache|\.pwd\.lock|\.updated|udev/hwdb\.bin|machine-id)"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-|/etc/ctlv/unfinished"
    r"|.*/__pycache__(/.*)?|/usr/lib/.*\.cache|/usr/lib/locale/.*|/usr/lib/udev/hwdb\.bin"
    r"|/usr/share/(info/dir|mime/.*|applications/mimeinfo\.cache)"
    r"|/opt/agenda/(current|previous|rolled-back|current\.sock)"
    r"|/(root|home/[^/]+)/(\.ansible|\.cache)(/.*)?"
    r"|/(root|home/[^/]+)/\.(.*_history|lesshst|viminfo|selected_editor|wget-hsts)"
    r"|.*/systemd/system/[^/]+\.wants/agenda@[^/]+|/run/systemd/transient/[^/]+\.scope"
    r"|/etc/ssl/certs/ca-certificates\.crt|.*\.(dpkg|ucf)-(dist|old|new)"
)
ACCOUNTS = re.compile(r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)")
KEYS = (".ssh/authorized_keys", ".ssh/authorized_keys2")
MERGED = re.compile(r"/(bin|sbin|lib|lib32|lib64|libx32)/")
# A value is a line; of a longer file its size and time must do.
DIGESTED_MAX_BYTES = 32 << 20
SYSTEM_DATABASES = {"information_schema", "mysql", "performance_schema", "sys"}
DATABASE = "agenda"
# What a statement changes while the server works, and what it sets for itself.
MOVES = {"gtid_binlog_pos", "gtid_current_pos", "gtid_slave_pos", "gtid_binlog_state", "timestamp"}


def said(*command: str, stdin: str = "", check: bool = True) -> str:
    ended = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=300,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    if check and ended.returncode != 0:
        raise OSError(f"{command[0]} ended with {ended.returncode}: {ended.stderr.strip()[-300:]}")
    return ended.stdout


def lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


# --- files -----------------------------------------------------------------------------


def merged(path: str) -> str:
    """As it is found since /bin and /lib are links."""
    return f"/usr{path}" if MERGED.match(path) else path


@cache
def packaged() -> frozenset[str]:
    """Every path of a package; and where a diversion moved one."""
    found = {
        merged(line)
        for listed in Path("/var/lib/dpkg/info").glob("*.list")
        for line in listed.read_text("utf-8", errors="surrogateescape").splitlines()
    }
    moved = re.findall(
        r"^(?:local )?diversion of (\S+) to (\S+)", said("dpkg-divert", "--list"), re.M
    )
    return frozenset(found | {merged(to) for _, to in moved})


def walk(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.path in PROVED or (folder == "/" and entry.name in NOT_WALKED):
            continue
        yield entry
        if entry.is_dir(follow_symlinks=False) and not os.path.ismount(entry.path):
            yield from walk(entry.path)


def everywhere() -> Iterator[os.DirEntry[str]]:
    for folder in ("/", *WALKED):
        yield from walk(folder)


def content(entry: os.DirEntry[str], status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return f"leads to {Path(entry.path).readlink()}"
    mode = f"{stat.S_IMODE(status.st_mode):04o} {status.st_uid}:{status.st_gid}"
    if not stat.S_ISREG(status.st_mode):
        return f"{mode}, no plain file"
    if ACCOUNTS.fullmatch(entry.path):
        return mode
    if status.st_size > DIGESTED_MAX_BYTES:
        return f"{mode} {status.st_size} bytes of {status.st_mtime:.0f}"
    return f"{mode} sha256 {digest(Path(entry.path))[:16]}"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_explained_link(path: str, status: os.stat_result) -> bool:
    """Packages' scripts make these links, to files of packages; of units, those that they noted."""
    if not stat.S_ISLNK(status.st_mode):
        return False
    if re.match(r"/etc/systemd/(system|user)/", path):
        return path in enabled_by_packages()
    made = re.match(r"/etc/(alternatives|ssl/certs|rc[0-9S]\.d|fonts)/|/usr/", path)
    return made is not None and merged(os.path.realpath(path)) in packaged()


@cache
def enabled_by_packages() -> frozenset[str]:
    """deb-systemd-helper's notes, which Debian's maintainer scripts make."""
    notes = Path("/var/lib/systemd").glob("deb-systemd-*-enabled/*.dsh-also")
    return frozenset(line for note in notes for line in note.read_text("utf-8").splitlines())


def kind_of(path: str) -> str:
    return next(kind for kind, where in PLACES if re.match(where, path))


def files() -> Iterator[Fact]:
    """What no package owns; and who may write or become what, in what one does."""
    for entry in everywhere():
        path = entry.path
        status = entry.stat(follow_symlinks=False)
        is_folder, is_owned = stat.S_ISDIR(status.st_mode), path in packaged()
        if special := powers(path, status, is_owned=is_owned):
            yield "mode", path, special
        if is_folder or is_owned or MADE.fullmatch(path) or is_explained_link(path, status):
            continue
        if not path.endswith(KEYS):  # of which each line is a fact
            yield kind_of(path), path, content(entry, status)


def powers(path: str, status: os.stat_result, *, is_owned: bool) -> str:
    """Whoever starts it becomes somebody else, or anybody may write there; "" for most."""
    mode, is_link = stat.S_IMODE(status.st_mode), stat.S_ISLNK(status.st_mode)
    is_folder = stat.S_ISDIR(status.st_mode)
    if is_link or stat.S_ISCHR(status.st_mode):
        return ""
    is_shared = mode & 0o002 and not (is_folder and mode & stat.S_ISVTX)
    becomes = not is_folder and mode & 0o6000
    is_anothers = is_owned and status.st_uid != 0
    try:
        capable = os.getxattr(path, "security.capability", follow_symlinks=False).hex()
    except OSError:
        capable = ""
    if not (is_shared or becomes or is_anothers or capable):
        return ""
    return f"{mode:04o} {status.st_uid}:{status.st_gid}" + (capable and f" capabilities {capable}")


def keys() -> Iterator[Fact]:
    """Who may sign in to each account."""
    homes = {line.split(":")[5] for line in lines("/etc/passwd")}
    for path in sorted(f"{home.rstrip('/')}/{name}" for home in homes for name in KEYS):
        yield from keys_in(path)


def keys_in(path: str) -> Iterator[Fact]:
    for line in lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        found = re.search(r"(?:^|\s)((?:ssh|ecdsa|sk)-\S+)\s+(\S+)\s*(.*)", line)
        options = line[: found.start()].strip() if found else line
        body = found[2] if found else line
        named = hashlib.sha256(body.encode(errors="surrogateescape")).hexdigest()[:16]
        comment = (found and found[3]) or "without a comment"
        yield "SSH key", f"{path}: {comment} {named}", options or "no options"


def changed_by_hand() -> Iterator[Fact]:
    """What packages own and is not as they brought it."""
    for line in said("dpkg", "--verify", check=False).splitlines():
        what, _, path = line.rpartition(" ")
        path = merged(path)
        if what.startswith("missing"):
            yield "file of a package", path, "missing"
        elif "5" in what.split()[0]:
            there = digest(Path(path))[:16] if Path(path).is_file() else "no file"
            yield "file of a package", path, f"not as its package brought it: sha256 {there}"


def authorities() -> Iterator[Fact]:
    """Whom TLS clients of this host believe: certificates of no package."""
    block = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)
    brought: set[str] = set()
    for path in Path("/usr/share/ca-certificates").rglob("*.crt"):
        brought |= set(block.findall(path.read_text("ascii", errors="replace")))
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    text = bundle.read_text("ascii", errors="replace") if bundle.is_file() else ""
    for certificate in sorted(set(block.findall(text)) - brought):
        yield "authority", hashlib.sha256(certificate.encode()).hexdigest()[:16], f"in {bundle}"


# --- who, and what runs ----------------------------------------------------------------


def told_by_sysusers() -> tuple[dict[str, tuple[str, str]], set[str], set[tuple[str, str]]]:
    """Users with home and shell, groups, and members that packages and deploy declare."""
    users: dict[str, tuple[str, str]] = {}
    groups: set[str] = set()
    members: set[tuple[str, str]] = set()
    for folder in ("/usr/lib/sysusers.d", "/etc/sysusers.d"):
        for file in sorted(Path(folder).glob("*.conf")):
            for line in file.read_text("utf-8").splitlines():
                words = re.findall(r'"[^"]*"|\S+', line)
                if len(words) < 2 or words[0].startswith("#"):  # noqa: PLR2004 - type and name
                    continue
                words += ["-"] * (6 - len(words))
                if words[0].startswith("u"):
                    home, shell = words[4].replace("-", "/", words[4] == "-"), words[5]
                    users[words[1]] = (home, "/usr/sbin/nologin" if shell == "-" else shell)
                    groups.add(words[1])
                elif words[0].startswith("g"):
                    groups.add(words[1])
                elif words[0].startswith("m"):
                    members.add((words[1], words[2]))
    return users, groups, members


def people() -> Iterator[Fact]:
    users, groups, members = told_by_sysusers()
    shadow = {entry[0]: entry[1] for entry in (line.split(":") for line in lines("/etc/shadow"))}
    for line in lines("/etc/passwd"):
        name, _, uid, gid, _, home, shell = line.split(":")
        word = shadow.get(name, "")
        is_locked = word.startswith(("!", "*"))
        password = "locked" if is_locked else "set" if word else "none: anybody may sign in"
        if users.get(name) == (home, shell) and is_locked and uid != "0":
            continue
        yield "user", name, f"uid {uid}, gid {gid}, home {home}, shell {shell}, password {password}"
    for line in lines("/etc/group"):
        name, _, gid, listed = line.split(":")
        strangers = [user for user in listed.split(",") if user and (user, name) not in members]
        if name not in groups:
            yield "group", name, f"gid {gid}"
        for user in strangers:
            yield "group", f"{name}: member {user}", "is in it"


def packages() -> Iterator[Fact]:
    """Those that were asked for by name: others came with them."""
    for name in said("apt-mark", "showmanual").split():
        yield "package", name, "installed"
    for name in said("apt-mark", "showhold").split():
        yield "package", f"{name}: held", "gets no security upgrades"


def shown() -> list[dict[str, str]]:
    """Every unit that systemd knows: a paragraph each, as `systemctl show` prints them."""
    asked = "Id,FragmentPath,DropInPaths,NeedDaemonReload,ActiveState,UnitFileState,Type"
    text = said("systemctl", "show", f"--property={asked},ConditionResult", "*", check=False)
    paragraphs = (paragraph.splitlines() for paragraph in text.split("\n\n"))
    return [dict(line.split("=", 1) for line in one if "=" in line) for one in paragraphs]


def units() -> Iterator[Fact]:
    for unit in shown():
        name = unit.get("Id", "")
        if unit.get("NeedDaemonReload") == "yes":
            yield "unit", name, "its file changed since systemd read it"
        stays = unit.get("Type") != "oneshot" and name.endswith((".service", ".timer", ".socket"))
        is_down = unit.get("ActiveState") in {"inactive", "failed"}
        if stays and is_down and unit.get("UnitFileState") == "enabled":
            yield "unit", f"{name}: {unit['ActiveState']}", "is to run, and does not"
    for link in sorted(enabled_by_packages()):
        if not os.path.lexists(link):
            yield "unit", f"{link}: disabled", "is not as its package left it"
    for line in said("systemctl", "show-environment").splitlines():
        name, _, value = line.partition("=")
        yield "environment of units", name, value


def sockets(right: frozenset[str]) -> Iterator[Fact]:
    """Those of programs whose unit neither a package nor deploy wrote."""
    fragments = {unit.get("Id", ""): unit.get("FragmentPath", "") for unit in shown()}
    for line in said("ss", "-Hlntup").splitlines():
        words = line.split()
        protocol, local = words[0], words[4]
        owners = re.findall(r'\("([^"]+)",pid=(\d+)', line)
        for program, process in owners or [("a program that is not shown", "0")]:
            group = " ".join(lines(f"/proc/{process}/cgroup"))
            unit = next(iter(re.findall(r"([^/]+\.(?:service|scope|socket))", group)[-1:]), "")
            if process == "1" or merged(fragments.get(unit, "")) in right:
                continue
            yield "socket", f"{protocol} {local}", f"{program} of {unit or 'no unit'}"


# --- what programs made of their settings ----------------------------------------------


def sshd(declared: frozenset[str]) -> Iterator[Fact]:
    """What it does, beside what Debian's file and deploy's alone would make it do."""
    if not Path("/usr/sbin/sshd").exists():
        return
    debian = [line for line in lines("/usr/share/openssh/sshd_config") if "Include" not in line]
    ours = [line for path in sorted(declared) if path.startswith("/etc/ssh/sshd_config.d/")
            for line in lines(path)]  # fmt: skip
    text = "\n".join([*ours, *debian, ""])
    wanted = dict(options(said("/usr/sbin/sshd", "-T", "-f", "/dev/stdin", stdin=text)))
    found = dict(options(said("/usr/sbin/sshd", "-T")))
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            yield "sshd in effect", name, f"{found.get(name)}, not {wanted.get(name)}"
    offers = subprocess.run(
        [
            *("ssh", "-F", "/dev/null", "-p", found.get("port", "22"), "-o", "BatchMode=yes"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", "PreferredAuthentications=none", "-o", "ConnectTimeout=10", "root@127.0.0.1"),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    ).stderr
    methods = ",".join(re.findall(r"Permission denied \(([^)]*)\)", offers)) or "no answer"
    if methods != wanted.get("authenticationmethods", "publickey"):
        yield "sshd in effect", "what it offers to somebody without a key", methods


def options(text: str) -> Iterator[tuple[str, str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    yield from ((name, " ".join(sorted(values))) for name, values in found.items())


def firewall() -> Iterator[Fact]:
    """The kernel's rules, beside what the files make in a network namespace where nothing is."""
    if not Path("/etc/nftables.conf").exists():
        return
    in_effect = rules(said("nft", "--stateless", "list", "ruleset"))
    script = "nft -f /etc/nftables.conf && nft --stateless list ruleset"
    from_files = rules(said("unshare", "--net", "sh", "-c", script))
    for rule in in_effect:
        if rule not in from_files:
            yield "firewall", rule, "in effect, and in no file"
    for rule in from_files:
        if rule not in in_effect:
            yield "firewall", rule, "in a file, and not in effect"
    same = [rule for rule in in_effect if rule in from_files]
    if same != [rule for rule in from_files if rule in in_effect]:
        yield "firewall", "the order of its rules", "not that of the files"


def rules(text: str) -> list[str]:
    """Each with its table and chain. Without the addresses that a set has learned."""
    text = re.sub(r"\n\s*elements = \{[^}]*\}", "", text)
    found, inside = [], []
    for line in (line.strip() for line in text.splitlines()):
        if line.endswith("{"):
            inside.append(line.removesuffix("{").strip())
        elif line == "}":
            inside.pop()
        elif line:
            found.append(f"{', '.join(inside)}: {line}")
    return found


def kernel() -> Iterator[Fact]:
    """Settings of the network that a process of this host may change."""
    for family in ("ipv4", "ipv6"):
        folder = Path("/proc/sys/net", family)
        for path in sorted([folder / "ip_forward", *folder.glob("conf/all/*"),
                            *folder.glob("conf/default/*")]):  # fmt: skip
            try:
                yield "kernel setting", str(path.relative_to("/proc/sys")), path.read_text().strip()
            except (OSError, UnicodeDecodeError):
                continue


# --- the database ----------------------------------------------------------------------


# What acts in the database by itself, or is looked at in the place of a table: the agenda has none.
OBJECTS = {
    "trigger": "SELECT CONCAT(trigger_schema, '.', trigger_name) FROM information_schema.triggers",
    "event": "SELECT CONCAT(event_schema, '.', event_name) FROM information_schema.events",
    "routine": "SELECT CONCAT(routine_schema, '.', routine_name) FROM information_schema.routines",
    "view": "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.views",
    "function from a library": "SELECT name FROM mysql.func",
    "plugin": "SELECT name FROM mysql.plugin",
}


def ask(query: str) -> list[list[str]]:
    return [line.split("\t") for line in said("mariadb", "-NB", "-e", query).splitlines()]


def database(right: frozenset[str]) -> Iterator[Fact]:
    if not Path("/usr/sbin/mariadbd").exists():
        return
    for (name,) in ask("SELECT schema_name FROM information_schema.schemata"):
        if name not in SYSTEM_DATABASES | {DATABASE}:
            yield "database", name, "is there"
    origins = "SELECT lower(variable_name), global_value, global_value_origin, global_value_path"
    origins += " FROM information_schema.system_variables WHERE global_value IS NOT NULL"
    # Set, and set back.
    origins += " AND NOT (global_value_origin = 'SQL' AND global_value <=> default_value)"
    for name, value, origin, path in ask(origins):
        is_read = origin == "CONFIG" and merged(os.path.realpath(path)) in right
        if origin in {"COMPILE-TIME", "AUTO"} or is_read or name in MOVES:
            continue
        where = {"SQL": "set while it runs", "CONFIG": f"from {path}"}.get(origin, origin.lower())
        yield "variable of MariaDB", name, f"{value}, {where}"
    for kind, query in OBJECTS.items():
        for (name,) in ask(query):
            if not name.startswith(("sys.", "mysql.")):
                yield f"{kind} of MariaDB", name, "is there"
    for account, allowed in grants().items():
        yield "account of MariaDB", account, allowed


def grants() -> dict[str, str]:
    """What each account and role may do; "…" stands for what its password became."""
    found = {}
    query = "SELECT user, host, JSON_VALUE(priv, '$.is_role'),"
    query += " JSON_VALUE(priv, '$.account_locked') FROM mysql.global_priv"
    for user, host, is_role, is_locked in ask(query):
        name = f"'{user}'" if is_role == "1" else f"'{user}'@'{host}'"
        told = ask(f"SHOW GRANTS FOR {name if user != 'PUBLIC' else 'PUBLIC'}")
        each = sorted(re.sub(r"'\*[0-9A-F]{40}'", "'…'", " ".join(line)) for line in told)
        found[f"{user}@{host}"] = "; ".join(each) + ("; locked" if is_locked == "1" else "")
    return found


# --- releases --------------------------------------------------------------------------


def releases() -> Iterator[Fact]:
    current = RELEASES.parent / "current"
    serving = current.readlink().name if current.is_symlink() else ""
    proved: set[str] = set()
    for folder in sorted(RELEASES.glob("*")) if RELEASES.is_dir() else ():
        if (folder / MANIFEST).is_file():
            yield from of_release(folder, proved)
        elif folder.name == serving:
            yield "release", serving, f"has no {MANIFEST}: bring another one with `make redeploy`"


def of_release(release: Path, proved: set[str]) -> Iterator[Fact]:
    """Its code, its static files, and the Python environment that `venv` leads to."""
    wanted: dict[str, str] = json.loads((release / MANIFEST).read_text("utf-8"))
    runtime = os.path.realpath(release / "venv")
    if runtime in proved:
        wanted = {path: value for path, value in wanted.items() if not path.startswith("venv/")}
    proved.add(runtime)
    found = dict(contents(release, ""))
    if any(path.startswith("venv/") for path in wanted):
        found |= dict(contents(Path(runtime), "venv/"))
    code = {path for path in found if path.startswith("app/") and path.endswith(".pyc")}
    ours = {".complete", "GOOD_RELEASE", "BAD_RELEASE", MANIFEST, "venv/.complete"}
    for path in sorted((wanted.keys() | found.keys()) - ours - code):
        if wanted.get(path) != found.get(path):
            what = "missing" if path not in found else "changed" if path in wanted else "added"
            yield "release", str(release / path), what
    for path in sorted(code - wanted.keys()):
        if not is_compiled_from(release / path):
            yield "release", str(release / path), "is not what its source compiles to"


def contents(folder: Path, prefix: str) -> Iterator[tuple[str, str]]:
    for place, folders, names in os.walk(folder):
        for path in (Path(place, name) for name in [*names, *folders]):
            if path.is_symlink():
                yield f"{prefix}{path.relative_to(folder)}", f"link {path.readlink()}"
            elif not path.is_dir():
                yield f"{prefix}{path.relative_to(folder)}", digest(path)


HEADER_BYTES = 16


def is_compiled_from(compiled: Path) -> bool:
    """Python starts what is compiled and reads no source beside it."""
    source = compiled.parent.parent / f"{compiled.name.rsplit('.', 2)[0]}.py"
    try:
        code = compile(source.read_bytes(), str(source), "exec", dont_inherit=True)
        return bool(marshal.loads(compiled.read_bytes()[HEADER_BYTES:]) == code)  # noqa: S302 - not run
    except (OSError, SyntaxError, ValueError, EOFError, TypeError):
        return False


# --- judging ---------------------------------------------------------------------------


# What a host comes with; and what is right or wrong by itself, whatever was there before.
Part = Callable[[], Iterator[Fact]]
MADE_BY_INSTALLING: tuple[Part, ...] = (files, keys, people, packages, authorities)
COMES_WITH = (*MADE_BY_INSTALLING, changed_by_hand, units, kernel)
# Of these, what is there no more is no difference, or another kind tells it.
ONLY_NEW = frozenset({"mode", "file of a package", "account of MariaDB", "variable of MariaDB"})
# Another kernel has others.
ONLY_CHANGED = frozenset({"kernel setting"})


def gathered(parts: Iterable[Part]) -> dict[str, dict[str, str]]:
    """Kind -> name -> value."""
    found: dict[str, dict[str, str]] = {}
    for part in parts:
        for kind, name, value in part():
            found.setdefault(kind, {})[name] = value
    return found


def unexplained(
    now: dict[str, dict[str, str]],
    record: dict[str, dict[str, str]],
    *,
    declared: frozenset[str],
    absent: frozenset[str],
) -> Iterator[Fact]:
    """What is there, changed or gone since `record`, and is not deploy's. Pure."""
    for kind in sorted(now.keys() | record.keys()):
        here, there = now.get(kind, {}), record.get(kind, {})
        names = here.keys() & there.keys() if kind in ONLY_CHANGED else here.keys() | there.keys()
        for name in sorted(names):
            if is_deploys(name, declared, absent) or here.get(name) == there.get(name):
                continue
            if name in here:
                yield kind, name, here[name] + (f" (was: {there[name]})" if name in there else "")
            elif kind not in ONLY_NEW and not name.startswith("/run/"):
                yield kind, name, "is gone"


def is_deploys(name: str, declared: frozenset[str], absent: frozenset[str]) -> bool:
    """What site.yml in check mode judges itself; and links that enable units of deploy's."""
    if name.partition(": ")[0] in declared | absent:
        return True
    enabled = re.fullmatch(r"/etc/systemd/system/[^/]+\.(?:wants|requires)/([^/]+)", name)
    unit = re.sub(r"@[^.]+", "@", enabled[1]) if enabled else ""
    return bool(unit) and f"/etc/systemd/system/{unit}" in declared | absent


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def keep(path: Path, data: object) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(data, file, sort_keys=True)
    new.replace(path)


def look(declared: frozenset[str], absent: frozenset[str]) -> dict[str, Any]:
    record = read(RECORD)
    if record is None:
        return {"failed": "it was not recorded what this host came with: run `make deploy`"}
    record.setdefault("account of MariaDB", {}).update(read(GRANTS) or {})
    right = packaged() | declared
    now = gathered([*COMES_WITH, lambda: database(right)])
    wrong = gathered([lambda: sockets(right), lambda: sshd(declared), firewall, releases])
    found = [
        *unexplained(now, record, declared=declared, absent=absent),
        *unexplained(wrong, {}, declared=frozenset(), absent=frozenset()),
    ]
    manifests = {path.parent.name: digest(path) for path in RELEASES.glob(f"*/{MANIFEST}")}
    return {"found": found, "manifests": manifests}


def after() -> None:
    """New is what the packages' scripts made meanwhile, and what they changed."""
    record, before = read(RECORD), read(BEFORE)
    if record is not None and before is not None:
        for kind, found in gathered(MADE_BY_INSTALLING).items():
            new = {k: v for k, v in found.items() if before.get(kind, {}).get(k) != v}
            record.setdefault(kind, {}).update(new)
        keep(RECORD, record)
    BEFORE.unlink(missing_ok=True)


def main() -> None:
    verb, *words = sys.argv[1:]
    if verb == "look":
        told = json.loads(words[0])
        try:
            found = look(frozenset(told["declared"]), frozenset(told["absent"]))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            found = {"failed": f"it cannot be found out: {error}"}
        json.dump(found, sys.stdout)
    elif verb == "record" and read(RECORD) is None:
        keep(RECORD, gathered([*COMES_WITH, lambda: database(packaged())]))
    elif verb == "before" and read(RECORD) is not None:
        keep(BEFORE, gathered(MADE_BY_INSTALLING))
    elif verb == "after":
        after()
    elif verb == "grants":
        keep(GRANTS, {name: allowed for name, allowed in grants().items() if name in words})


if __name__ == "__main__":
    main()
