"""The operator's side of backups: only here is the key that opens them.

    python -m rollout.backups --env ENV backup                 make one now, fetch it
    python -m rollout.backups --env ENV list                   what there is, and where
    python -m rollout.backups --env ENV restore --from NAME    put one in the place of the live rows
    python -m rollout.backups --env ENV restore --to MOMENT    the same, and what was written since
    python -m rollout.backups --env ENV drill                  restore one aside, compare, measure

A backup is opened on this machine and travels on inside SSH; it never lies on a disk in clear.
None is loaded but those that a database host of ours has signed: what a keeper says proves nothing.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from provision import files
from provision.arguments import Parser, one_of
from provision.errors import OperatorError, failing_as
from rollout import stream
from rollout.reach import Hosts, maintenance_notes, put_under_maintenance, state_folder
from rollout.recover import quiet_member

LIVE = "agenda"
RESTORED = "agenda_restore"
DRILLED = "agenda_drill"
FOLDER = "/var/backups/agenda"
STAMP = "%Y%m%dT%H%M%SZ"
# As ctlv-backup names them: what a host says becomes a path here.
NAME = re.compile(r"[a-z0-9_]+-\d{8}T\d{6}Z")
# Between the database's name and the moment: what a restore replaced. Never the latest backup.
SAFETY = "_before_restore"
# As the user of backups, whose account may read the database and write nothing.
KEEP_ASIDE = "setpriv --reuid ctlv-backup --regid ctlv-backup --init-groups --reset-env -- "
KEEP_ASIDE += "/usr/local/sbin/ctlv-backup make-safety"
LATEST = "latest"
# What ctlv-backup signs; a position since there is a stream of what is written (rollout/stream.py).
SIGNED, SIGNER = ("name", "bytes", "sha256", "tables"), stream.SIGNER
# By how much a host's clock may be ahead of this machine's.
AHEAD = timedelta(minutes=10)
# The tables whose rows people miss. Where one of them has fewer than this share of those of the
# backup before, the rows were perhaps lost before the backup was made; a few come and go.
PEOPLES, LEAST_SHARE, FEW = ("account", "task"), 0.5, 20
# What people had under way when maintenance began is answered by then.
DRAIN_S = 2
# Whoever may change tables is let in while this runs, at most a quarter of an hour.
MIGRATION = "systemctl daemon-reload && systemctl {} ctlv-migration.service"
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

LOCK = "/run/agenda-release.lock"
# Arguments: who, the make that runs it or "", "force" or "".
TAKE_LOCK = f"""ln -sT "$1" {LOCK} 2>/dev/null && exit
held=$(readlink {LOCK})
[ "$3" = force ] || [ -n "$(find {LOCK} -mmin +120)" ] ||
  {{ [ -n "$2" ] && [ -z "${{held##*"[$2]"}}" ]; }} || {{ echo "$held"; exit 1; }}
ln -sfT "$1" {LOCK}
"""
GIVE_LOCK = f'[ "$(readlink {LOCK})" != "$1" ] || rm -f {LOCK}'


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """A restore, as the maintenance file of each host tells it: killed, it goes on from there.

    Whoever ends that maintenance by hand ends the restore too: what is there is people's again.
    """

    chosen: str = ""  # an older version's restore did not tell
    until: str = ""
    safety_copy: str = ""
    since: datetime | None = None
    maintenance_stays: bool = False

    @property
    def why(self) -> str:
        words = f"for a restore of {self.chosen}"
        words += f" and what was written until {self.until}" if self.until else ""
        words += f", what was there is {self.safety_copy}" if self.safety_copy else ""
        return words + (STAYS if self.maintenance_stays else "")


STAYS = ", in a maintenance that stays"
NOTE = re.compile(
    r"since (?P<since>\S+) by .* for a restore(?: of (?P<chosen>[^ ,]+))?"
    r"(?: and what was written until (?P<until>[^ ,]+))?"
    rf"(?:, what was there is (?P<safety_copy>[^ ,]+))?(?P<stays>{STAYS})?"
)


def under_way(notes: list[str]) -> UnderWay | None:
    """The interrupted restore, from `maintenance_notes`; None when there was none. Pure."""
    found = [note for note in map(NOTE.fullmatch, notes) if note]
    if not found:
        return None
    last = max(found, key=lambda note: note["since"])
    # Where a host serves, or another reason stands, rows may be newer than that copy of them.
    is_everywhere = len(found) == len(notes)
    return UnderWay(
        chosen=last["chosen"] or "",
        until=last["until"] or "",
        safety_copy=(last["safety_copy"] or "") if is_everywhere else "",
        since=datetime.fromisoformat(last["since"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One whole backup: `place` is a host's name, or "here"."""

    name: str
    place: str
    manifest: dict[str, Any]

    @property
    def made_at(self) -> datetime:
        return stamp_of(self.name)

    @property
    def is_safety_copy(self) -> bool:
        return is_safety_copy(self.name)

    @property
    def position(self) -> dict[str, str]:
        """The chain and the transaction that the stream goes on from; empty where it does not."""
        return dict(self.manifest.get("position", {}))

    @property
    def rows(self) -> int:
        return sum(table["rows"] for table in self.manifest["tables"].values())

    @property
    def peoples(self) -> dict[str, int]:
        return {name: self.manifest["tables"].get(name, {}).get("rows", 0) for name in PEOPLES}

    def fell_from(self, before: Backup) -> str:
        """Such as "3 of the 120 task rows of agenda-…"; "" where it has about as many."""
        fallen = [
            f"{self.peoples[name]} of the {rows} {name} rows of {before.name}"
            for name, rows in before.peoples.items()
            if rows >= FEW and self.peoples[name] < rows * LEAST_SHARE
        ]
        return " and ".join(fallen)


class Backups:
    """What `make backup`, `restore` and `drill-restore` do, for one environment."""

    def __init__(self, environment: str, hosts: Hosts) -> None:
        self.hosts = hosts
        self.state = state_folder(environment)
        self.folder = self.state / "backups"
        self.key = self.state / "backup-key"
        self.signers = self.state / "backup-signers"
        self.folder.mkdir(mode=0o700, exist_ok=True)

    @property
    def streamed(self) -> Path:
        return self.folder / "stream"

    @cached_property
    def database(self) -> str:
        return quiet_member(self.hosts)

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

    def distrusted(self, backup: Backup) -> str:
        """Why this one is never loaded; "" when it may be."""
        if backup.made_at > datetime.now(UTC) + AHEAD:
            return f"{backup.name} ({backup.place}) is from the future"
        if not is_signed(backup.manifest, self.signers):
            return f"{backup.name} ({backup.place}) is signed by nobody whom {self.signers} names"
        return ""

    def newest_there(self) -> Backup:
        there = self.there(self.database)
        found = [b for b in there if not b.is_safety_copy and not self.distrusted(b)]
        if not found:
            raise OperatorError(
                f"{self.database} made a backup, and has none that may be loaded",
                next_step="run `make deploy`, which learns its key, or see "
                f"`make logs HOST={self.database}`",
            )
        return found[-1]

    def everywhere(self) -> list[Backup]:
        places = self.hosts.of("database", "web")
        found = [*self.here(), *(backup for host in places for backup in self.there(host))]
        return sorted(found, key=lambda backup: backup.made_at)

    def find(
        self, wanted: str, *, before: datetime | None = None, is_streamed: bool = False
    ) -> Backup:
        """`wanted`: latest, a name, or a file that was once fetched from here.

        The latest is no safety copy, with `before` one that was made earlier, and with
        `is_streamed` one that the stream goes on from.
        """
        name = Path(wanted).name.removesuffix(".age")
        everything = self.everywhere()
        found = [backup for backup in everything if not self.distrusted(backup)]
        choice = [backup for backup in found if not backup.is_safety_copy]
        if name == LATEST:
            choice = [backup for backup in choice if before is None or backup.made_at < before]
            choice = [backup for backup in choice if backup.position or not is_streamed]
            name = choice[-1].name if choice else LATEST
        rotten = []
        for backup in found:
            if backup.name == name:
                try:
                    return self.fetched(backup)
                except OperatorError as error:
                    rotten.append(error)
                    print(f"{backup.place}: {error.problem}", file=sys.stderr)
        if rotten:
            raise rotten[-1]
        for backup in everything:
            if backup.name == name:
                raise OperatorError(
                    self.distrusted(backup),
                    next_step=f"on a new machine bring {self.signers.name} back from where "
                    "you keep backup-key; else see who put it there (`make deploy` learns the key "
                    "of a database that signs, whose next backup signs what it made before)",
                )
        known = ", ".join(sorted({backup.name for backup in choice})) or "none"
        aside = ", ".join(sorted({backup.name for backup in found if backup.is_safety_copy}))
        raise OperatorError(
            f"there is no whole backup '{wanted}'",
            next_step=f"give FROM= one of: {known}"
            + (f"; or of the safety copies of what a restore replaced: {aside}" if aside else ""),
        )

    def fetched(self, backup: Backup) -> Backup:
        """The same, on this machine and checked byte by byte."""
        body = self.folder / f"{backup.name}.age"
        if backup.place == "here":
            self._check(backup, body)
        else:
            with files.unfinished(body) as new:
                with new.open("wb") as file:
                    self.hosts.stream(backup.place, f"cat {FOLDER}/{backup.name}.age", to=file)
                self._check(backup, new)
        text = self.folder / f"{backup.name}.json"
        files.write_atomically(text, json.dumps(backup.manifest, sort_keys=True))
        return Backup(name=backup.name, place="here", manifest=backup.manifest)

    def _check(self, backup: Backup, body: Path) -> None:
        with body.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != backup.manifest["sha256"]:
            raise OperatorError(
                f"{backup.name} is not what its manifest says: sha256 {found}",
                next_step="every copy was tried: restore another one (`make restore` lists them)",
            )

    def fallen(self) -> dict[str, str]:
        """Names of those that have far fewer rows than the one before, and how many."""
        trusted = [b for b in self.everywhere() if not (b.is_safety_copy or self.distrusted(b))]
        once = list({backup.name: backup for backup in trusted}.values())
        compared = ((now, now.fell_from(before)) for before, now in pairwise(once))
        return {now.name: fell for now, fell in compared if fell}

    def live(self) -> str:
        """How many rows people have now, in words."""
        each = (f"SELECT COUNT(*) FROM {LIVE}.{name}" for name in PEOPLES)  # noqa: S608 - ours
        counts = " UNION ALL ".join(each)
        asked = self.hosts.run(self.database, "mariadb", "-NB", "-e", counts, check=False)
        rows = asked.stdout.split()
        if asked.returncode != 0 or len(rows) != len(PEOPLES):
            return "rows that cannot be counted"
        return in_words(dict(zip(PEOPLES, rows, strict=True)))

    # --- the verbs ------------------------------------------------------------------

    def backup(self) -> Backup:
        self.hosts.run(self.database, start("ctlv-backup.service"), timeout_s=3600)
        made = self.fetched(self.newest_there())
        take = "if [ -e /etc/systemd/system/ctlv-backup-take.timer ]; "
        take += f"then {start('ctlv-backup-take.service')}; fi"
        for host in self.hosts.of("web"):
            self.hosts.run(host, take, timeout_s=3600)
        self.journals()
        self._fetch_stream()
        self._thin_out(newest=made)
        return made

    def _fetch_stream(self) -> None:
        """What was written, but for what is here already: each file grows for an hour."""
        self.streamed.mkdir(mode=0o700, exist_ok=True)
        sizes = f"cd {stream.FOLDER} 2>/dev/null && stat --format='%n %s' * || true"
        told = self.hosts.run(self.database, sizes, check=False).stdout.splitlines()
        for name, _, size in (line.partition(" ") for line in told):
            if not (stream.NAME.fullmatch(name) and size.isdecimal()):
                continue
            copy = self.streamed / f"{name}-{self.database}"
            if not copy.exists() or copy.stat().st_size < int(size):
                with files.unfinished(copy) as new, new.open("wb") as file:
                    self.hosts.stream(self.database, f"cat {stream.FOLDER}/{name}", to=file)

    def _copies_here(self) -> list[Path]:
        """Named after the hour and the host that each is of."""
        return sorted(self.streamed.glob("[0-9]*-*"))

    def _thin_out(self, *, newest: Backup) -> None:
        """No older than the newest by more than the hosts' own limit: forgotten is forgotten."""
        settings = json.loads(self.hosts.run(self.database, "cat /etc/ctlv/backup.json").stdout)
        oldest = newest.made_at - timedelta(days=settings["keep_days"])
        for backup in self.here():
            if backup.made_at < oldest:
                (self.folder / f"{backup.name}.json").unlink()
                (self.folder / f"{backup.name}.age").unlink()
        for copy in self._copies_here():
            if stamp_of(copy.name.partition("-")[0]) < oldest:
                copy.unlink()

    def journals(self) -> list[str]:
        """Ids of what was erased, as every host remembers it and as it was known here before, of
        hosts that are gone too.
        """
        for host in self.hosts.of("web", "rest"):
            copy = self.folder / f"erased-{host}.ids"
            asked = self.hosts.run(host, "agenda-manage agenda_erased", check=False)
            told = set(asked.stdout.splitlines() if asked.returncode == 0 else [])
            told |= set(copy.read_text("utf-8").splitlines() if copy.exists() else [])
            files.write_atomically(copy, "".join(f"{line}\n" for line in sorted(told)))
        copies = self.folder.glob("erased-*.ids")
        return sorted({line for copy in copies for line in copy.read_text("utf-8").splitlines()})

    def restore(self, asked: argparse.Namespace) -> str:
        notes = maintenance_notes(self.hosts)
        interrupted = under_way(notes)
        chosen, until = self._chosen(asked.wanted, interrupted, until=asked.to)
        self.need_key()
        if asked.journal == "complete":
            self._need_journal(chosen)
        became = f"{self.live()} there now become {in_words(chosen.peoples)}"
        with tempfile.TemporaryDirectory(prefix="stream-", dir=self.state) as folder:
            since = self.since(chosen, until, Path(folder)) if until else None
            if since:
                became += f", and then the {since.transactions} transactions until that moment"
            at = f"{since.known if since else chosen.made_at:%Y-%m-%d %H:%M:%S} UTC"
            agreed(asked, f"replaces all rows of {asked.env} by those of {at}: {became}")
            print(f"{chosen.name}, of {at}: {became}", flush=True)
            with self.alone(f"restore of {chosen.name}", is_forced=asked.unlock):
                return self._restored(asked, chosen, notes, interrupted, since)

    def _restored(
        self,
        asked: argparse.Namespace,
        chosen: Backup,
        notes: list[str],
        interrupted: UnderWay | None,
        since: stream.Since | None,
    ) -> str:
        began = time.monotonic()
        mine = UnderWay(
            chosen=chosen.name,
            until=since.until.isoformat() if since else "",
            safety_copy=interrupted.safety_copy if interrupted else "",
            # What a restore that was killed left on is no wish of anybody's.
            maintenance_stays=any(n and (STAYS in n or not NOTE.fullmatch(n)) for n in notes),
        )
        put_under_maintenance(self.hosts, on=True, why=mine.why)
        try:
            time.sleep(DRAIN_S)
            if mine.safety_copy:
                print(f"what was there is kept as {mine.safety_copy} since before", flush=True)
            elif made := self._keep_what_is_there(may_lose_rows=asked.rows == "lost"):
                why = replace(mine, safety_copy=made).why
                put_under_maintenance(self.hosts, on=True, why=why)
            said = self.load(chosen, RESTORED, since)
            self.hosts.run(self.database, f"ctlv-restore swap {LIVE} {RESTORED}", timeout_s=600)
            self.hosts.run(self.hosts.first("web"), "agenda-manage agenda_expire")
        finally:
            # The rows are as they should be: untouched, or restored whole.
            put_under_maintenance(self.hosts, on=mine.maintenance_stays)
        took_s = time.monotonic() - began
        came = f"{chosen.rows} rows came back in {took_s:.0f} s"
        came += f", with {since.transactions} transactions since then" if since else ""
        return f"{chosen.name}: {came}: {self.live()}; {said}"

    @contextmanager
    def alone(self, what: str, *, is_forced: bool) -> Iterator[None]:
        """Holds the lock that a release takes (role agenda, lock.yml), by the same rules."""
        run = os.environ.get("CTLV_RUN", "")
        at = datetime.now().astimezone()
        me = f"{getpass.getuser()}@{socket.gethostname()}"
        holder = f"{me} since {at:%Y-%m-%dT%H:%M:%S%z}: {what} [{run}]"
        taken: list[str] = []
        try:
            for host in self.hosts.of("web", "rest"):
                words = ("sh", "-c", TAKE_LOCK, "sh", holder, run, "force" if is_forced else "")
                held = self.hosts.run(host, *words, check=False)
                if held.returncode != 0:
                    by = held.stdout.rpartition(" [")[0] or held.stderr.strip()[-200:]
                    raise OperatorError(
                        f"another run works on {host}: {by}",
                        "wait until it has ended; if you know that it has, add UNLOCK=1",
                    )
                taken.append(host)
            yield
        finally:
            for host in taken:
                self.hosts.run(host, "sh", "-c", GIVE_LOCK, "sh", holder, check=False)

    def drill(self, wanted: str) -> str:
        chosen = self.find(wanted)
        self.need_key()
        began = time.monotonic()
        try:
            said = self.load(chosen, DRILLED)
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

    def _chosen(
        self, wanted: str, interrupted: UnderWay | None, *, until: datetime | None
    ) -> tuple[Backup, datetime | None]:
        """A restore that was killed goes on with what it had chosen, unless another is named."""
        if until:
            settled = until - stream.SNAPSHOT
            chosen = self.find(wanted or LATEST, before=settled, is_streamed=True)
            if not chosen.position or chosen.made_at >= settled:
                raise OperatorError(
                    f"{chosen.name} is no backup that leads to {until:%Y-%m-%d %H:%M:%S} UTC",
                    next_step="leave FROM= out: the one to begin with is found",
                )
            if until == stream.LATEST and not wanted:
                need_no_loss(chosen, self.fallen())
            return chosen, until
        if interrupted and interrupted.until and wanted == LATEST:
            until = datetime.fromisoformat(interrupted.until)
        return self._chosen_whole(wanted, interrupted), until

    def _chosen_whole(self, wanted: str, interrupted: UnderWay | None) -> Backup:
        if interrupted is None and wanted == LATEST and (fallen := self.fallen()):
            need_no_loss(self.find(wanted), fallen)
        if interrupted is None or wanted != LATEST:
            return self.find(wanted)
        if interrupted.chosen:
            print(
                f"a restore of {interrupted.chosen} was interrupted: going on with it", flush=True
            )
            return self.find(interrupted.chosen)
        print(
            f"a restore by an older version was interrupted, which began at {interrupted.since}: "
            "what was backed up since then holds what it was to replace",
            flush=True,
        )
        return self.find(wanted, before=interrupted.since)

    def need_key(self) -> None:
        if not self.key.is_file():
            raise OperatorError(
                f"the key that opens backups is missing: {self.key}",
                next_step="get it from the operator who ran `make secrets`",
            )

    def _need_journal(self, chosen: Backup) -> None:
        """A host that is younger than the backup cannot know what was erased before it existed."""
        for host in self.hosts.of("web", "rest"):
            born = float(self.hosts.run(host, "stat --format=%Y /etc/ctlv/environment").stdout)
            if born > chosen.made_at.timestamp():
                raise OperatorError(
                    f"{host} was made after {chosen.name}: its journal of erased ids does not "
                    "reach back to it, so what people deleted may come back",
                    next_step="where that is the lesser evil, add JOURNAL=incomplete",
                )

    def _keep_what_is_there(self, *, may_lose_rows: bool) -> str:
        """A way back from a mistaken restore; without one ("") only where the operator says so."""
        made = self.hosts.run(self.database, KEEP_ASIDE, check=False, timeout_s=3600)
        name = made.stdout.partition(":")[0]
        if made.returncode == 0 and NAME.fullmatch(name):
            print(f"what is there now is kept as {name}, a safety copy", flush=True)
            return name
        if may_lose_rows:
            print("what is there now could not be backed up; going on", flush=True)
            return ""
        if "no such verb" in made.stderr:
            raise OperatorError(
                f"{self.database} is older than this clone and knows no safety copies",
                next_step="run `make deploy`, then the same again; if what is there now may go, "
                "add ROWS=lost",
            )
        raise OperatorError(
            f"what is there now could not be backed up first: {made.stderr.strip()[-400:]}",
            next_step="see `make logs HOST=database`; if those rows may go, add ROWS=lost",
        )

    def since(
        self,
        chosen: Backup,
        until: datetime,
        folder: Path,
        *,
        places: tuple[str, ...] = ("database", "web"),
    ) -> stream.Since:
        """Fetched into `folder` and read once: what is missing is known before anything goes."""
        # A file is an hour, and written to for a moment longer.
        first = chosen.made_at - timedelta(hours=2)
        for host in self.hosts.of(*places):
            names = self.hosts.run(host, f"ls {stream.FOLDER} || true", check=False).stdout.split()
            for name in filter(stream.NAME.fullmatch, names):
                if first <= stamp_of(name) <= until:
                    with (folder / f"{name}-{host}").open("wb") as file:
                        self.hosts.stream(host, f"cat {stream.FOLDER}/{name}", to=file)
        for copy in self._copies_here():
            if first <= stamp_of(copy.name.partition("-")[0]) <= until:
                (folder / f"{copy.name}-here").symlink_to(copy)
        since = stream.Since(
            backup=chosen.name,
            made_at=chosen.made_at,
            position=chosen.position,
            until=until,
            folder=folder,
            key=self.key,
            signers=self.signers,
        )
        since.read(known=self._streamed_until(places))
        return since

    def _streamed_until(self, places: tuple[str, ...]) -> datetime | None:
        """Until when a host of these groups that lives says that it has all that was written."""
        asked = f"stat -c %Y {stream.FRESH} || true"
        told = (
            self.hosts.run(host, asked, check=False).stdout.strip()
            for host in self.hosts.of(*places)
        )
        known = (datetime.fromtimestamp(int(at), UTC) for at in told if at.isdecimal())
        return max(known, default=None)

    def load(self, chosen: Backup, scratch: str, since: stream.Since | None = None) -> str:
        """Into `scratch`, compared with the manifest, brought up to date, and forgotten anew."""
        arrived = self._decrypted_into(chosen, f"ctlv-restore load {LIVE} {scratch}")
        differing = different(chosen.manifest["tables"], arrived)
        if differing:
            self.hosts.run(self.database, f"ctlv-restore drop {LIVE} {scratch}")
            raise OperatorError(
                f"{chosen.name} came back different: {', '.join(differing)}",
                next_step="restore another one; this one cannot be trusted",
            )
        if since:
            replay = f"ctlv-restore replay {LIVE} {scratch}"
            if problem := since.feed(self.hosts.way(self.database, "sh", "-c", replay)):
                self.hosts.run(self.database, f"ctlv-restore drop {LIVE} {scratch}")
                raise OperatorError(problem, next_step="see `make logs HOST=database`")
        self.hosts.run(self.database, MIGRATION.format("restart"))
        try:
            return self._brought_up_to_date(scratch)
        finally:
            self.hosts.run(self.database, MIGRATION.format("stop"))

    def _brought_up_to_date(self, scratch: str) -> str:
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
            raise OperatorError(
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
            raise OperatorError(
                f"{chosen.name} cannot be opened with {self.key}: {problem[-200:]}",
                next_step="get the key it was made for, from the operator who ran `make secrets`",
            )
        if ended.returncode != 0:
            raise OperatorError(
                f"{chosen.name} could not be loaded: {ended.stderr.strip()[-400:]}",
                next_step="see `make logs HOST=database`, or restore another one",
            )
        return dict(json.loads(ended.stdout))


def manifest_in(text: str) -> dict[str, Any] | None:
    """None when it is not whole: without its manifest there is no backup."""
    try:
        manifest = json.loads(text)
        is_whole = set(SIGNED) <= manifest.keys() and NAME.fullmatch(manifest["name"]) is not None
        stamp_of(manifest["name"])
    except (ValueError, AttributeError, TypeError, LookupError):
        return None
    return dict(manifest) if is_whole else None


def is_signed(manifest: dict[str, Any], signers: Path) -> bool:
    signed = {key: manifest[key] for key in (*SIGNED, "position") if key in manifest}
    text = json.dumps(signed, sort_keys=True)
    return stream.is_signed(text, str(manifest.get("signature")), signers)


def stamp_of(name: str) -> datetime:
    """When a backup of this name, or a file of the stream, says that it was made. Raises
    ValueError.
    """
    return datetime.strptime(name.rsplit("-", 1)[-1], STAMP).replace(tzinfo=UTC)


def is_safety_copy(name: str) -> bool:
    return name.rpartition("-")[0].endswith(SAFETY)


def need_no_loss(latest: Backup, fallen: Mapping[str, str]) -> None:
    if fell := fallen.get(latest.name):
        raise OperatorError(
            f"the latest backup, {latest.name}, has {fell}: perhaps it holds the damage",
            next_step=f"name the one you want: FROM={latest.name}, or an earlier one "
            "(`make restore` lists them)",
        )


def moment(text: str) -> datetime:
    """A date and a time; where it does not say of which zone, of this machine's."""
    if text == LATEST:
        return stream.LATEST
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"is '{text}', not {LATEST} and not like 2026-11-29 14:05"
        ) from None


def in_words(peoples: Mapping[str, int | str]) -> str:
    return " and ".join(
        f"{rows} {name}{'' if str(rows) == '1' else 's'}" for name, rows in peoples.items()
    )


def start(unit: str) -> str:
    """As often as somebody asks: systemd's limit of starts is there for failures at night."""
    return f"systemctl reset-failed {unit}; systemctl start {unit}"


def different(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Names of the tables that are not the same row for row. Pure."""
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def agreed(asked: argparse.Namespace, what: str) -> None:
    """Asks before rows are replaced; elsewhere than in the lab the environment must be named."""
    if asked.env not in {"lab", asked.confirm}:
        raise OperatorError(f"this {what}", f"if you want that, add CONFIRM={asked.env}")
    if asked.yes or asked.confirm == asked.env:
        return
    if not sys.stdin.isatty():
        raise OperatorError(f"this {what}, and nobody is here to ask", "add YES=1")
    if input(f"This {what}. Go on? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise OperatorError("this was not confirmed", "nothing was touched")


def arguments() -> argparse.Namespace:
    parser = Parser(prog="python -m rollout.backups", description="The operator's side of backups.")
    parser.add_environment(default="lab")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("backup", help="make one now and fetch it")
    verbs.add_parser("list", help="what there is, and where")
    restore = verbs.add_parser("restore", help="put one in the place of the live rows")
    restore.add("--from", make="FROM", dest="wanted", help="without it, they are listed")
    restore.add("--to", make="TO", type=moment, help="latest, or a moment such as 2026-11-29 14:05")
    restore.add_answers()
    restore.add(
        "--journal", make="JOURNAL", type=one_of("complete", "incomplete"), default="complete"
    )
    restore.add("--rows", make="ROWS", type=one_of("kept", "lost"), default="kept")
    restore.add("--unlock", make="UNLOCK", action="store_true", help="take a lock that was left")
    drill = verbs.add_parser("drill", help="restore one aside, compare, measure")
    drill.add("--from", make="FROM", dest="wanted", default=LATEST)
    drill.add_answers()
    return parser.parse()


def listed(backups: Backups) -> str:
    found = []
    fallen = backups.fallen()
    for backup in backups.everywhere():
        if why := backups.distrusted(backup):
            print(f"never loaded: {why}")
            continue
        found.append(backup)
        what = "  safety copy: what a restore replaced" if backup.is_safety_copy else ""
        what += f"  ONLY {fallen[backup.name]}" if backup.name in fallen else ""
        print(
            f"{backup.name}  {in_words(backup.peoples)}, {backup.rows} rows  {backup.place}{what}"
        )
    names = {backup.name for backup in found}
    aside = sum(map(is_safety_copy, names))
    return f"{len(names) - aside} backups and {aside} safety copies in {len(found)} copies"


def act(asked: argparse.Namespace, backups: Backups) -> str:
    if asked.verb == "list":
        return listed(backups)
    if asked.verb == "backup":
        made = backups.backup()
        fell = backups.fallen().get(made.name)
        if fell:
            print(f"CAUTION: it has only {fell}: was something lost?", file=sys.stderr)
        return f"{made.name}: {made.rows} rows, fetched into {backups.folder}"
    if not asked.wanted and not getattr(asked, "to", None):
        listed(backups)
        raise OperatorError(
            "no FROM= given", next_step="choose one of these: make restore FROM=<name>"
        )
    if asked.verb == "restore":
        return backups.restore(asked)
    # In the lab nothing is asked: the rows that people see are not touched.
    if asked.env != "lab":
        agreed(asked, f"loads a backup into a scratch database of {asked.env}")
    return backups.drill(asked.wanted)


def main() -> None:
    asked = arguments()
    with failing_as(asked.verb), Hosts(asked.env) as hosts:
        print(f"{asked.verb} {asked.env}: {act(asked, Backups(asked.env, hosts))}")


if __name__ == "__main__":
    main()
