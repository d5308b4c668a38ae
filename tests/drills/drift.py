"""`make drill-drift`: forty things are changed by hand, and drift must name each of them.

All at once, on the containers of one environment: drift must name each, deploy must put back what
it owns and leave nothing else unnamed, and when the rest is undone drift must find nothing. The
undoing is run in any case.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills import result
from tests.drills.consent import add_arguments, ask
from tests.infra.remote import Connections, RemoteError
from tests.infra.site import ROOT, Site, read_site

WITHIN_S = 1800
PASSES, DIFFERS = 0, 2


@dataclass(frozen=True, slots=True)
class Change:
    """`breaks` and `undoes` are lines of sh on the first host of `group`; without `undoes`, deploy
    puts it back. `named`: words that stand together in a line of drift's about that host.
    """

    group: str
    breaks: str
    named: str
    undoes: str = ""


def file(path: str, named: str, content: str = "# drill", group: str = "web") -> Change:
    return Change(
        group, f"mkdir -p $(dirname {path}); echo '{content}' > {path}", named, f"rm -f {path}"
    )


def edited(path: str, *, group: str = "web", named: str = "") -> Change:
    """A file of deploy's."""
    return Change(group, f"echo '# drill' >> {path}", named or path)


def edited_and_undone(path: str, *, group: str = "web", named: str = "") -> Change:
    """A file that deploy does not write, with a copy meanwhile: compiled code goes by its time."""
    kept = f"/run/drill-{path.rpartition('/')[2]}"
    breaks = f"cp -p {path} {kept} && echo '# drill' >> {path}"
    return Change(group, breaks, named or path, f"cp -p {kept} {path} && rm {kept}")


def sql(breaks: str, named: str, undoes: str = "") -> Change:
    return Change(
        "database", f'mariadb -e "{breaks}"', named, f'mariadb -e "{undoes}"' if undoes else ""
    )


SSHD = "/etc/ssh/sshd_config.d/00-drill.conf"
UNITS = "/etc/systemd/system"
PACKAGE = (
    "d=$(mktemp -d) && chmod 755 $d && mkdir $d/DEBIAN"
    " && printf 'Package: drill-drift\\nVersion: 1\\n"
    "Architecture: all\\nMaintainer: drill <drill@example.org>\\nDescription: drill\\n'"
    " > $d/DEBIAN/control && dpkg-deb --build $d /run/drill.deb >/dev/null"
    " && dpkg -i /run/drill.deb >/dev/null && rm -r $d /run/drill.deb"
)
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CODE = "/opt/agenda/current/app"
# By the release's own Python: the compiled file of another source, with the right header.
COMPILED = (
    f"cd {CODE} && python3 -c 'import glob, marshal, pathlib;"
    ' file = pathlib.Path(glob.glob("__pycache__/manage.*.pyc")[0]);'
    ' other = marshal.dumps(compile("1", "", "exec"));'
    " file.write_bytes(file.read_bytes()[:16] + other)'"
)
TIMER = "[Timer]\\nOnCalendar=yearly\\n[Install]\\nWantedBy=timers.target\\n"
PERMISSIVE = "PasswordAuthentication yes\\nPermitRootLogin yes\\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrillDrillDrill drill-eve"

CHANGES = {
    # who may come in, and become what
    "sshd takes passwords, by a file that is read first": Change(
        "web",
        f"printf '{PERMISSIVE}' > {SSHD}; systemctl reload ssh",
        "passwordauthentication: yes",
        f"rm -f {SSHD}; systemctl reload ssh",
    ),
    "root may sign in with a password": Change("web", ":", "permitrootlogin: yes", ":"),
    "deploy's settings of sshd": edited("/etc/ssh/sshd_config.d/10-ctlv.conf", group="database"),
    "Debian's settings of sshd": edited_and_undone("/etc/ssh/sshd_config", group="database"),
    "a user": Change("web", "useradd drill-eve", "drill-eve: uid", "userdel drill-eve"),
    "a second root": Change(
        "database", "useradd -o -u 0 drill-root", "drill-root: uid 0", "userdel -f drill-root"
    ),
    "a member of a group": Change(
        "web", "usermod -aG adm www-data", "adm: member www-data", "gpasswd -d www-data adm"
    ),
    "a shell for a service's user": Change(
        "web",
        "usermod -s /bin/bash www-data",
        "www-data: uid 33, gid 33, home /var/www, shell /bin/bash",
        "usermod -s /usr/sbin/nologin www-data",
    ),
    "a second key of root's": Change(
        "web",
        f"echo '{KEY}' >> ~/.ssh/authorized_keys",
        "authorized_keys: drill-eve",
        "sed -i '/drill-eve/ d' ~/.ssh/authorized_keys",
    ),
    "another key that may get backups": edited(
        "/var/lib/ctlv-backup/.ssh/authorized_keys", group="database"
    ),
    "a rule of sudo": Change(
        "web",
        "mkdir -p /etc/sudoers.d; echo '# drill' > /etc/sudoers.d/drill",
        "/etc/sudoers.d/drill",
        "rm /etc/sudoers.d/drill; rmdir --ignore-fail-on-non-empty /etc/sudoers.d",
    ),
    "a program that makes anybody root": Change(
        "web",
        "cp /bin/true /usr/local/bin/drill && chmod 4755 /usr/local/bin/drill",
        "/usr/local/bin/drill: 4755",
        "rm /usr/local/bin/drill",
    ),
    "a secret that others may read": Change(
        "web", "chmod 0644 /etc/agenda/secret_key", "Write the secrets"
    ),
    # what runs, and when
    "a job of cron": file("/etc/cron.d/drill", "/etc/cron.d/drill", group="database"),
    "root's crontab": Change(
        "web",
        "mkdir -p /var/spool/cron/crontabs; echo '# drill' > /var/spool/cron/crontabs/root",
        "/var/spool/cron/crontabs/root",
        "rm /var/spool/cron/crontabs/root",
    ),
    "a timer with its service": Change(
        "web",
        f"printf '{TIMER}' > {UNITS}/drill.timer;"
        f" printf '[Service]\\nExecStart=/bin/true\\n' > {UNITS}/drill.service;"
        " systemctl enable -q --now drill.timer",
        "timers.target.wants/drill.timer",
        f"systemctl disable -q --now drill.timer; rm {UNITS}/drill.timer {UNITS}/drill.service",
    ),
    "a drop-in that lifts a limit": Change(
        "web",
        f"printf '[Service]\\nMemoryMax=infinity\\n' > {UNITS}/nginx.service.d/zz-drill.conf;"
        " systemctl daemon-reload",
        "nginx.service.d/zz-drill.conf",
        f"rm {UNITS}/nginx.service.d/zz-drill.conf; systemctl daemon-reload",
    ),
    "a limit that was lifted until the next start": Change(
        "database",
        "systemctl set-property --runtime mariadb.service MemoryMax=infinity",
        "mariadb.service.d/50-MemoryMax.conf",
        "rm -r /run/systemd/system.control/mariadb.service.d; systemctl daemon-reload",
    ),
    "a unit of deploy's": edited(f"{UNITS}/agenda-expiry.timer"),
    "a timer of deploy's that is off": Change(
        "web", "systemctl disable -q --now ctlv-watch.timer", "Start the watch"
    ),
    "a timer of Debian's that is off": Change(
        "web",
        "systemctl disable -q --now apt-daily-upgrade.timer",
        "apt-daily-upgrade.timer",
        "systemctl enable -q --now apt-daily-upgrade.timer",
    ),
    "a unit that can never start": Change(
        "database",
        "systemctl mask -q apt-daily.timer",
        f"{UNITS}/apt-daily.timer: leads to /dev/null",
        "systemctl unmask -q apt-daily.timer; systemctl start apt-daily.timer",
    ),
    "a program that listens": Change(
        "web",
        "systemd-run -q --unit=drill-listens python3 -m http.server 4444",
        "tcp 0.0.0.0:4444: python3 of drill-listens.service",
        "systemctl stop drill-listens.service",
    ),
    # what is installed
    "a package": Change("web", PACKAGE, "drill-drift: installed", "dpkg -P drill-drift"),
    "a package that gets no upgrades": Change(
        "web", "apt-mark hold nginx-light", "nginx-light: held", "apt-mark unhold nginx-light"
    ),
    "a source of packages": file("/etc/apt/sources.list.d/drill.list", "list.d/drill.list"),
    "a key that packages may be signed with": file(
        "/etc/apt/trusted.gpg.d/drill.asc", "trusted.gpg.d/drill.asc"
    ),
    "a program of a package": edited_and_undone("/usr/bin/ssh-copy-id"),
    "a setting of a package": edited_and_undone("/etc/security/limits.conf"),
    "what every program loads": file("/etc/ld.so.preload", "/etc/ld.so.preload", content=""),
    "what every login runs": file("/etc/profile.d/drill.sh", "/etc/profile.d/drill.sh"),
    "an authority that programs believe": Change(
        "web",
        f"cp {BUNDLE} /run/drill-bundle; cat /etc/ctlv/tls/ca.pem >> {BUNDLE}",
        f"in {BUNDLE}",
        f"cat /run/drill-bundle > {BUNDLE}; rm /run/drill-bundle",
    ),
    "a program of deploy's": edited("/usr/local/sbin/ctlv-backup"),
    "settings of nginx": edited("/etc/nginx/nginx.conf"),
    # the network
    "a rule of the firewall's files": edited("/etc/nftables.conf", group="database"),
    "a rule in effect, and in no file": Change(
        "web", "nft insert rule inet ctlv input tcp dport 4444 accept", "tcp dport 4444 accept"
    ),
    "a table of rules": Change(
        "database",
        "nft add table inet drill; nft add chain inet drill c; nft add rule inet drill c accept",
        "table inet drill",
        "nft delete table inet drill",
    ),
    "a setting of the kernel's": Change(
        "web",
        "echo 1 > /proc/sys/net/ipv4/conf/all/log_martians",
        "conf/all/log_martians: 1",
        "echo 0 > /proc/sys/net/ipv4/conf/all/log_martians",
    ),
    "a name that leads elsewhere": edited_and_undone("/etc/hosts"),
    # the release
    "code of the release": edited_and_undone(f"{CODE}/config/wsgi.py", named="config/wsgi.py: "),
    "compiled code of the release": Change(
        "web",
        COMPILED,
        "is not what its source compiles to",
        f"cd {CODE}/.. && venv/bin/python -m compileall -qf app/manage.py",
    ),
    "a module beside Django": file(
        "/opt/agenda/current/venv/lib/drill.pth", "venv/lib/drill.pth: added"
    ),
    # the database
    "a dropped index": sql(
        "DROP INDEX task_by_removal ON agenda.task",
        "index of task on removed_at: is missing",
        "CREATE INDEX task_by_removal ON agenda.task (removed_at)",
    ),
    "a table": sql("CREATE TABLE agenda.drill (id INT)", "table drill", "DROP TABLE agenda.drill"),
    "a trigger": sql(
        "CREATE TRIGGER agenda.drill BEFORE INSERT ON agenda.task FOR EACH ROW SET @drill = 1",
        "agenda.drill: is there",
        "DROP TRIGGER agenda.drill",
    ),
    "a database": sql("CREATE DATABASE drill", "drill: is there", "DROP DATABASE drill"),
    # Gone with the restart that the next one makes deploy do. To nowhere: its file would keep the
    # passwords that deploy sets.
    "a log of all statements": sql(
        "SET GLOBAL log_output = 'NONE'; SET GLOBAL general_log = ON", "general_log: ON"
    ),
    "settings of MariaDB's": edited("/etc/mysql/mariadb.conf.d/90-agenda.cnf", group="database"),
    "more settings of MariaDB's": file(
        "/etc/mysql/mariadb.conf.d/99-drill.cnf", "99-drill.cnf", group="database"
    ),
    "an account of MariaDB's": sql("CREATE USER drill@'%'", "drill@%"),
    "a privilege more": sql(
        "GRANT FILE ON *.* TO 'ctlv-backup'@localhost", "ctlv-backup@localhost: GRANT FILE"
    ),
}  # fmt: skip


class Drill:
    def __init__(self, site: Site) -> None:
        self.site = site

    def host(self, group: str) -> str:
        return self.site.of(group)[0].name

    def each(self, lines: Iterable[tuple[str, str]]) -> None:
        """Run them on their hosts, each in a shell of its own; all of them, whatever one does."""
        connections, failed = Connections(self.site), []
        try:
            for group, line in lines:
                ended = connections.place(self.host(group)).run(["sh", "-c", line], check=False)
                if ended.returncode != 0:
                    failed.append(f"{group}: {line[:60]}: {ended.stderr.strip()[-200:]}")
        finally:
            connections.close()
        if failed:
            raise OperatorError("not done: " + "; ".join(failed), "see what is there by `make ssh`")

    def program(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *words, "--env", self.site.environment]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False
        )

    def drift(self) -> tuple[list[dict[str, Any]], float]:
        began = time.monotonic()
        ended = self.program("rollout.drift", "--json")
        told = json.loads(ended.stdout)
        failed = [finding for finding in told["findings"] if "failed" in finding]
        if failed:
            raise OperatorError(f"drift could not find out: {failed[0]}", "run `make drift`")
        return told["findings"], time.monotonic() - began

    def deploy(self) -> float:
        began = time.monotonic()
        ended = self.program("rollout.play", "deploy")
        if ended.returncode != 0:
            log = result.keep_log("drift-deploy", ended.stdout + ended.stderr)
            raise OperatorError("deploy failed", f"read {log}")
        return time.monotonic() - began

    def named(self, findings: list[dict[str, Any]]) -> set[str]:
        lines: dict[str, list[str]] = {}
        for finding in findings:
            told = finding["how"] if isinstance(finding["how"], list) else [finding["how"]]
            lines.setdefault(finding["where"], []).extend(
                f"{finding['what']} {line}" for line in [*told, ""]
            )
        return {
            name
            for name, change in CHANGES.items()
            if any(change.named in line for line in lines.get(self.host(change.group), ()))
        }


def run(site: Site) -> tuple[str, list[str]]:
    drill = Drill(site)
    before, drift_s = drill.drift()
    if before:
        raise OperatorError(
            f"drift names something already: {before[0]['where']}, {before[0]['what']}",
            f"run `make drift ENV={site.environment}`, and put it right first",
        )
    print(f"{len(CHANGES)} changes by hand; drift took {drift_s:.0f} s before them", flush=True)
    ours = {name for name, change in CHANGES.items() if not change.undoes}
    try:
        drill.each((change.group, change.breaks) for change in CHANGES.values())
        first, first_s = drill.drift()
        named = drill.named(first)
        print(
            f"drift named {len(named)} in {first_s:.0f} s; not {CHANGES.keys() - named}", flush=True
        )
        deploy_s = drill.deploy()
        left = drill.named(drill.drift()[0])
        print(f"after a deploy of {deploy_s:.0f} s it names {sorted(left)}", flush=True)
    finally:
        drill.each((c.group, c.undoes) for c in reversed(CHANGES.values()) if c.undoes)
    after, _ = drill.drift()
    wrong = [f"{name}: not named" for name in CHANGES if name not in named]
    wrong += [f"{name}: deploy did not put it back" for name in sorted(ours & left)]
    wrong += [f"{name}: not named after a deploy" for name in sorted(CHANGES.keys() - ours - left)]
    wrong += [f"still named in the end: {f['where']}, {f['what']}: {f['how']}" for f in after]
    rows = []
    for name in CHANGES:
        then = ("put back", "LEFT") if name in ours else ("LOST", "named")
        seen = "named" if name in named else "NOT NAMED"
        rows.append(f"| {name} | {seen} | {then[name in left]} |")
    head = ["| changed by hand | drift | after deploy |", "|---|---|---|"]
    times = f"\ndrift {drift_s:.0f} s before and {first_s:.0f} s after, deploy {deploy_s:.0f} s"
    return "\n".join([*head, *rows, times]), wrong


def main() -> int:
    parser = Parser(prog="python -m tests.drills.drift", description=__doc__)
    add_arguments(parser)
    given = parser.parse()
    try:
        ask(given, drill="drill-drift", what="changes users, rules, programs and the database")
        table, wrong = run(read_site(given.env))
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table)
    kept = result.keep("drift", table, wrong=wrong, recorded=given.keep)
    return result.end("drift", given.env, kept, wrong=wrong, of=f"{len(CHANGES)} changes")


if __name__ == "__main__":
    sys.exit(main())
