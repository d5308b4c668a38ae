"""The operator's side of backups: only here is the key that opens them.

    python -m rollout.backups --env ENV backup                 make one now, fetch it
    python -m rollout.backups --env ENV list                   what there is, and where
    python -m rollout.backups --env ENV restore --from NAME    put one in the place of the live rows
    python -m rollout.backups --env ENV drill                  restore one aside, compare, measure

A backup is opened on this machine and travels on inside SSH; it never lies on a disk in clear.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rollout.reach import (
    Hosts,
    ReachError,
    is_under_maintenance,
    put_under_maintenance,
    read_hosts,
    state_folder,
)

LIVE = "agenda"
RESTORED = "agenda_restore"
DRILLED = "agenda_drill"
FOLDER = "/var/backups/agenda"
STAMP = "%Y%m%dT%H%M%SZ"
# As ctlv-backup names them: what a host says becomes a path here.
NAME = re.compile(r"[a-z0-9_]+-\d{8}T\d{6}Z")
LATEST = "latest"
# What people had under way when maintenance began is answered by then.
DRAIN_S = 2
FOR_A_RESTORE = "for a restore"
# Runs a management command of the release that serves on another database than its own; the account
# that may change tables only for `migrate`. Arguments: database, user, command...
ON_DATABASE = """set -eu; database=$1 user=$2; shift 2
set -a; . /etc/agenda/agenda.env
AGENDA_DATABASE_NAME=$database AGENDA_ERASED_JOURNAL= AGENDA_STATIC_ROOT=/opt/agenda/current/static
if [ "$user" = agenda-migrate ]; then
  AGENDA_DATABASE_USER=agenda_migrate AGENDA_DATABASE_PASSWORD_FILE=/etc/agenda/migrate_password
fi
set +a; cd /opt/agenda/current/app
exec setpriv --reuid "$user" --regid "$user" --init-groups --no-new-privs -- \
  /opt/agenda/current/venv/bin/python manage.py "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One whole backup: `place` is a host's name, or "here"."""

    name: str
    place: str
    manifest: dict[str, Any]

    @property
    def made_at(self) -> datetime:
        return datetime.strptime(self.name.rsplit("-", 1)[1], STAMP).replace(tzinfo=UTC)

    @property
    def rows(self) -> int:
        return sum(table["rows"] for table in self.manifest["tables"].values())


class Backups:
    """What `make backup`, `restore` and `drill-restore` do, for one environment."""

    def __init__(self, environment: str, hosts: Hosts) -> None:
        self.environment = environment
        self.hosts = hosts
        self.state = state_folder(environment)
        self.folder = self.state / "backups"
        self.key = self.state / "backup-key"
        self.folder.mkdir(mode=0o700, exist_ok=True)

    @property
    def database(self) -> str:
        return self.hosts.first("database")

    # --- what there is --------------------------------------------------------------

    def here(self) -> list[Backup]:
        found = []
        for path in sorted(self.folder.glob("*.json")):
            manifest = manifest_in(path.read_text("utf-8", errors="replace"))
            body = path.with_suffix(".age")
            if not manifest or manifest["name"] != path.stem or not body.is_file():
                continue
            if body.stat().st_size == manifest["bytes"]:
                found.append(Backup(name=path.stem, place="here", manifest=manifest))
        return found

    def there(self, host: str) -> list[Backup]:
        """On a host; nothing when it does not answer, for it may be what was lost."""
        script = f"for m in {FOLDER}/*.json; do [ ! -e $m ] || {{ cat $m; echo; }}; done"
        ended = self.hosts.run(host, script, check=False)
        if ended.returncode != 0:
            said = " ".join(ended.stderr.split())[-200:]
            print(f"{host} does not say what backups it has: {said}", file=sys.stderr)
        manifests = filter(None, map(manifest_in, ended.stdout.splitlines()))
        return [Backup(name=m["name"], place=host, manifest=m) for m in manifests]

    def newest_there(self) -> Backup:
        found = self.there(self.database)
        if not found:
            raise ReachError(
                f"{self.database} made a backup, and has none",
                next_step=f"see `make logs HOST={self.database}`",
            )
        return found[-1]

    def everywhere(self) -> list[Backup]:
        places = [self.database, *self.hosts.of("web")]
        found = [*self.here(), *(backup for host in places for backup in self.there(host))]
        return sorted(found, key=lambda backup: backup.made_at)

    def find(self, wanted: str) -> Backup:
        """`wanted`: latest, a name, or a file that was once fetched from here."""
        name = Path(wanted).name.removesuffix(".age")
        found = self.everywhere()
        if name == LATEST and found:
            name = found[-1].name
        for backup in found:
            if backup.name == name:
                return self.fetched(backup)
        known = ", ".join(sorted({backup.name for backup in found})) or "none"
        raise ReachError(
            f"there is no whole backup '{wanted}'", next_step=f"give FROM= one of: {known}"
        )

    def fetched(self, backup: Backup) -> Backup:
        """The same, on this machine and checked byte by byte."""
        body = self.folder / f"{backup.name}.age"
        if backup.place != "here":
            unfinished = body.with_suffix(".unfinished")
            with unfinished.open("wb") as file:
                self.hosts.stream(backup.place, f"cat {FOLDER}/{backup.name}.age", to=file)
            unfinished.chmod(0o600)
            unfinished.replace(body)
        with body.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != backup.manifest["sha256"]:
            raise ReachError(
                f"{body} is not what its manifest says: sha256 {found}",
                next_step=f"remove it, and run this again: it is fetched anew from {self.database}",
            )
        text = self.folder / f"{backup.name}.json"
        unfinished = text.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(backup.manifest, sort_keys=True), "utf-8")
        unfinished.replace(text)
        return Backup(name=backup.name, place="here", manifest=backup.manifest)

    # --- the verbs ------------------------------------------------------------------

    def backup(self) -> Backup:
        self.hosts.run(self.database, start("ctlv-backup.service"), timeout_s=3600)
        made = self.fetched(self.newest_there())
        take = "if [ -e /etc/systemd/system/ctlv-backup-take.timer ]; "
        take += f"then {start('ctlv-backup-take.service')}; fi"
        for host in self.hosts.of("web"):
            self.hosts.run(host, take, timeout_s=3600)
        self.journals()
        self._thin_out()
        return made

    def _thin_out(self) -> None:
        """No older than the newest by more than the hosts' own limit: forgotten is forgotten."""
        settings = json.loads(self.hosts.run(self.database, "cat /etc/ctlv/backup.json").stdout)
        found = self.here()
        oldest = found[-1].made_at - timedelta(days=settings["keep_days"])
        for backup in found:
            if backup.made_at < oldest:
                (self.folder / f"{backup.name}.json").unlink()
                (self.folder / f"{backup.name}.age").unlink()

    def journals(self) -> list[str]:
        """Ids of what was erased, as every host remembers it and as it was known here before."""
        known: set[str] = set()
        for host in self.hosts.of("web", "rest"):
            copy = self.folder / f"erased-{host}.ids"
            asked = self.hosts.run(host, "agenda-manage agenda_erased", check=False)
            told = set(asked.stdout.splitlines() if asked.returncode == 0 else [])
            told |= set(copy.read_text("utf-8").splitlines() if copy.exists() else [])
            unfinished = copy.with_suffix(".unfinished")
            unfinished.write_text("".join(f"{line}\n" for line in sorted(told)), "utf-8")
            unfinished.chmod(0o600)
            unfinished.replace(copy)
            known |= told
        return sorted(known)

    def restore(
        self, wanted: str, *, agree: Agreement, incomplete_journal: bool, may_lose_rows: bool
    ) -> str:
        chosen = self.find(wanted)
        self._need_key()
        if not incomplete_journal:
            self._need_journal(chosen)
        agree(
            f"replaces all rows of {self.environment} by those of "
            f"{chosen.made_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        began = time.monotonic()
        with self._maintenance():
            time.sleep(DRAIN_S)
            self._keep_what_is_there(may_lose_rows=may_lose_rows)
            said = self._load(chosen, RESTORED)
            self.hosts.run(self.database, f"ctlv-restore swap {LIVE} {RESTORED}", timeout_s=600)
            self.hosts.run(self.hosts.first("web"), "agenda-manage agenda_expire")
        took_s = time.monotonic() - began
        return f"{chosen.name}: {chosen.rows} rows came back in {took_s:.0f} s; {said}"

    def drill(self, wanted: str) -> str:
        chosen = self.find(wanted)
        self._need_key()
        began = time.monotonic()
        try:
            said = self._load(chosen, DRILLED)
            rto_s = time.monotonic() - began
        finally:
            self.hosts.run(self.database, f"ctlv-restore drop {LIVE} {DRILLED}")
        rpo_s = (datetime.now(UTC) - chosen.made_at).total_seconds()
        told = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "name": chosen.name,
            "rows": chosen.rows,
            "rto_s": round(rto_s, 1),
            "rpo_s": round(rpo_s),
        }
        (self.state / "backup-drill.json").write_text(json.dumps(told), "utf-8")
        tables = len(chosen.manifest["tables"])
        return (
            f"{chosen.name}: {tables} tables, {chosen.rows} rows, all equal; {said}; "
            f"RTO {rto_s:.1f} s, RPO {rpo_s:.0f} s"
        )

    # --- steps ----------------------------------------------------------------------

    def _need_key(self) -> None:
        if not self.key.is_file():
            raise ReachError(
                f"the key that opens backups is missing: {self.key}",
                next_step="get it from the operator who ran `make secrets`",
            )

    def _need_journal(self, chosen: Backup) -> None:
        """A host that is younger than the backup cannot know what was erased before it existed."""
        for host in self.hosts.of("web", "rest"):
            born = float(self.hosts.run(host, "stat --format=%Y /etc/ctlv/environment").stdout)
            if born > chosen.made_at.timestamp():
                raise ReachError(
                    f"{host} was made after {chosen.name}: its journal of erased ids does not "
                    "reach back to it, so what people deleted may come back",
                    next_step="where that is the lesser evil, add JOURNAL=incomplete",
                )

    @contextlib.contextmanager
    def _maintenance(self) -> Iterator[None]:
        """Over when the rows are as they should be: untouched, or restored whole."""
        # What a restore that was killed left on is no wish of anybody's.
        was_on = is_under_maintenance(self.hosts, besides=FOR_A_RESTORE)
        put_under_maintenance(self.hosts, on=True, why="" if was_on else FOR_A_RESTORE)
        try:
            yield
        except BaseException:
            if not was_on:
                put_under_maintenance(self.hosts, on=False)
            raise
        if not was_on:
            put_under_maintenance(self.hosts, on=False)

    def _keep_what_is_there(self, *, may_lose_rows: bool) -> None:
        """A way back from a mistaken restore; without one only where the operator says so."""
        made = self.hosts.run(
            self.database, start("ctlv-backup.service"), check=False, timeout_s=3600
        )
        if made.returncode == 0:
            print(f"what is there now is kept as {self.newest_there().name}", flush=True)
        elif may_lose_rows:
            print("what is there now could not be backed up; going on", flush=True)
        else:
            raise ReachError(
                f"what is there now could not be backed up first: {made.stderr.strip()[-400:]}",
                next_step="see `make logs HOST=database`; if those rows may go, add ROWS=lost",
            )

    def _load(self, chosen: Backup, scratch: str) -> str:
        """Into `scratch`, compared with the manifest, brought up to date, and forgotten anew."""
        arrived = self._decrypted_into(chosen, f"ctlv-restore load {LIVE} {scratch}")
        differing = different(chosen.manifest["tables"], arrived)
        if differing:
            self.hosts.run(self.database, f"ctlv-restore drop {LIVE} {scratch}")
            raise ReachError(
                f"{chosen.name} came back different: {', '.join(differing)}",
                next_step="restore another one; this one cannot be trusted",
            )
        web = self.hosts.first("web")
        for user, command, stdin in (
            ("agenda-migrate", ("migrate", "--no-input", "--verbosity=0"), ""),
            ("agenda", ("agenda_forget_again",), "\n".join(self.journals())),
        ):
            words = ["sh", "-c", ON_DATABASE, "sh", scratch, user, *command]
            said = self.hosts.run(web, *words, stdin=stdin, timeout_s=900).stdout.strip()
        return said

    def _decrypted_into(self, chosen: Backup, command: str) -> dict[str, Any]:
        body = str(self.folder / f"{chosen.name}.age")
        try:
            opened = subprocess.Popen(
                ["age", "--decrypt", "--identity", str(self.key), body],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise ReachError(
                f"age, which opens backups, does not start: {error.strerror}",
                next_step="run `setup/machine packages`",
            ) from error
        script = f"gunzip | {command}"
        ended = subprocess.run(
            self.hosts.way(self.database, "bash", "-o", "pipefail", "-c", script),
            stdin=opened.stdout,
            capture_output=True,
            text=True,
            timeout=3600,
            check=False,
        )
        problem = opened.communicate()[1].decode(errors="replace").strip()
        if opened.returncode != 0:
            raise ReachError(
                f"{chosen.name} cannot be opened with {self.key}: {problem[-200:]}",
                next_step="get the key it was made for, from the operator who ran `make secrets`",
            )
        if ended.returncode != 0:
            raise ReachError(
                f"{chosen.name} could not be loaded: {ended.stderr.strip()[-400:]}",
                next_step="see `make logs HOST=database`, or restore another one",
            )
        return dict(json.loads(ended.stdout))


def manifest_in(text: str) -> dict[str, Any] | None:
    """None when it is not whole: without its manifest there is no backup."""
    try:
        manifest = json.loads(text)
        is_whole = {"name", "bytes", "sha256", "tables"} <= manifest.keys()
        is_whole = is_whole and NAME.fullmatch(manifest["name"]) is not None
    except (ValueError, AttributeError, TypeError):
        return None
    return dict(manifest) if is_whole else None


def start(unit: str) -> str:
    """As often as somebody asks: systemd's limit of starts is there for failures at night."""
    return f"systemctl reset-failed {unit}; systemctl start {unit}"


def different(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Names of the tables that are not the same row for row. Pure."""
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


class Agreement:
    """Asks before rows are replaced; elsewhere than in the lab the environment must be named."""

    def __init__(self, environment: str, *, yes: bool, confirm: str) -> None:
        self.environment, self.yes, self.confirm = environment, yes, confirm

    def __call__(self, what: str) -> None:
        if self.environment not in {"lab", self.confirm}:
            raise ReachError(
                f"this {what}",
                next_step=f"if you want that, add CONFIRM={self.environment}",
            )
        if self.yes or self.confirm == self.environment:
            return
        if not sys.stdin.isatty():
            raise ReachError(f"this {what}, and nobody is here to ask", next_step="add YES=1")
        if input(f"This {what}. Go on? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise ReachError("restore was not confirmed", next_step="nothing was touched")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="backups", description="The operator's side of backups.")
    parser.add_argument("--env", default="lab")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("backup", help="make one now and fetch it")
    verbs.add_parser("list", help="what there is, and where")
    restore = verbs.add_parser("restore", help="put one in the place of the live rows")
    restore.add_argument("--from", dest="wanted", required=True)
    restore.add_argument("--yes", action="store_true")
    restore.add_argument("--confirm", default="")
    restore.add_argument("--journal", choices=["complete", "incomplete"], default="complete")
    restore.add_argument("--rows", choices=["kept", "lost"], default="kept")
    drill = verbs.add_parser("drill", help="restore one aside, compare, measure")
    drill.add_argument("--from", dest="wanted", default=LATEST)
    drill.add_argument("--yes", action="store_true")
    drill.add_argument("--confirm", default="")
    return parser.parse_args()


def act(asked: argparse.Namespace, backups: Backups) -> str:
    if asked.verb == "list":
        found = backups.everywhere()
        for backup in found:
            print(f"{backup.name}  {backup.rows:8} rows  {backup.place}")
        return f"{len({backup.name for backup in found})} backups in {len(found)} copies"
    if asked.verb == "backup":
        made = backups.backup()
        return f"{made.name}: {made.rows} rows, fetched into {backups.folder}"
    agree = Agreement(asked.env, yes=asked.yes, confirm=asked.confirm)
    if asked.verb == "drill":
        # In the lab nothing is asked: the rows that people see are not touched.
        if asked.env != "lab":
            agree(f"loads a backup into a scratch database of {asked.env}")
        return backups.drill(asked.wanted)
    return backups.restore(
        asked.wanted,
        agree=agree,
        incomplete_journal=asked.journal == "incomplete",
        may_lose_rows=asked.rows == "lost",
    )


def main() -> int:
    asked = arguments()
    try:
        with read_hosts(asked.env) as hosts:
            print(f"{asked.verb} {asked.env}: {act(asked, Backups(asked.env, hosts))}")
    except ReachError as error:
        print(f"{asked.verb}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
