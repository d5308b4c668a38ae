"""A new secret in the place of one, while people use the agenda: `make rotate WHAT=…`.

    python -m rollout.rotate --env ENV --what KIND [--force]

The old one counts as long as anything made with it does. Each step may be killed: the vault says
how far it came, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from provision import files
from provision.arguments import Parser
from provision.errors import OperatorError
from rollout import secrets
from rollout.play import play
from rollout.reach import Hosts

# How long something lives that was made with a key: sessions (agenda_session_longest_s, where
# nobody sets another), tokens (TOKEN_DAYS_MAX).
KEYS = {"secret-key": timedelta(days=30), "token-key": timedelta(days=365)}
ACCOUNTS = {"database": "agenda", "migrate": "agenda_migrate", "rest": "agenda_rest"}
NAMES = {
    "secret-key": "vault_agenda_secret_key",
    "token-key": "vault_agenda_token_key",
    "database": "vault_agenda_database_password",
    "migrate": "vault_agenda_migrate_password",
    "rest": "vault_agenda_rest_password",
}
BACKUP_KEY = "backup-key"
BY_HAND = {
    "host-keys": "remove tls/<host>.* from the state folder, then `make deploy`: nginx and MariaDB "
    "read new ones, and requests under way may be cut",
    "authority": "move tls/ of the state folder aside, `make secrets AUTHORITY=new`, "
    "`make deploy`; browsers want the new tls/ca.pem",
    "api-token": "make another one on the cluster (`make doctor` prints the lines), put it where "
    "docs/provision.md says, and remove the old one there",
}
# How far a key's rotation is: every process accepts the new one; it is used, and the one before is
# accepted; the one before is no longer.
ACCEPT, USE, OVERLAP, END = "accept", "use", "overlap", "end"


class Rotation:
    """One secret of one environment. `name`_before, _step and _since say how far it is."""

    def __init__(self, environment: str, kind: str, *, now: datetime) -> None:
        self.environment, self.kind, self.now = environment, kind, now
        self.vault = secrets.opened(environment, environ=os.environ)
        self.name = NAMES.get(kind, "")

    def _write(self, value: str, **beside: str) -> None:
        """With a new generation: the same code is started again, beside itself, and reads it."""
        generation = int(self.vault.values.get(secrets.GENERATION, 0)) + 1
        said = {f"{self.name}_{suffix}": text for suffix, text in beside.items()}
        self.vault.write(**{secrets.GENERATION: str(generation), self.name: value}, **said)

    def _play(self) -> None:
        # Forced: the release of an earlier try may be marked bad, because its host was too slow.
        play("redeploy", self.environment, {"agenda_action": "rotate", "agenda_force": True})

    def key(self, *, force: bool) -> str:
        values, now = self.vault.values, self.now.isoformat(timespec="seconds")
        step = values.get(f"{self.name}_step", "")
        used, *others = values[self.name].split()
        if not step:
            new = secrets.SECRETS[self.name]()
            step, others = ACCEPT, [new]
            self._write(f"{used}\n{new}", step=ACCEPT)
        if step == ACCEPT:
            self._play()
            step = USE
            self._write(f"{others[0]}\n{used}", step=USE, since=now)
        if step == USE:
            self._play()
            self.vault.write(**{f"{self.name}_step": OVERLAP})
            until = self.now + KEYS[self.kind]
            return f"the new one is used, the one before is accepted until {until:%Y-%m-%d}"
        if step == OVERLAP:
            until = datetime.fromisoformat(values[f"{self.name}_since"]) + KEYS[self.kind]
            if self.now < until and not force:
                raise OperatorError(
                    f"it was rotated already: the one before is accepted until {until:%Y-%m-%d}",
                    "run this again from then on; FORCE=1 ends it now, and with it every session "
                    "or token that was not made since",
                )
            self._write(used, step=END)
        self._play()
        self.vault.write(**{f"{self.name}_step": ""})
        return "the one before is accepted no longer"

    def password(self) -> str:
        values = self.vault.values
        if f"{self.name}_before" not in values:
            new, since = secrets.SECRETS[self.name](), self.now.isoformat(timespec="seconds")
            self._write(new, before=values[self.name], since=since)
        new, before = values[self.name], values[f"{self.name}_before"]
        self._let_in(new, before)
        self._play()
        self._let_in(new)
        self.vault.write(**{f"{self.name}_before": ""})
        return "the new one is used, the one before opens nothing"

    def _let_in(self, *passwords: str) -> None:
        """The account, with any of these; in stdin, where no process list shows them."""
        ways = " OR ".join(f"mysql_native_password USING PASSWORD('{p}')" for p in passwords)
        account = ACCOUNTS[self.kind]
        with Hosts(self.environment) as hosts:
            ask = partial(hosts.run, hosts.first("database"), "mariadb -NB")
            found = ask(stdin="SELECT user, host FROM mysql.global_priv").stdout.splitlines()
            accounts = [line.split("\t") for line in found]
            where = [f"'{name}'@'{host}'" for name, host in accounts if name == account]
            ask(stdin="".join(f"ALTER USER {each} IDENTIFIED VIA {ways};\n" for each in where))

    def backup_key(self) -> str:
        """The keys before stay in the file, for the backups that were made for them."""
        state = secrets.state_of(self.environment, environ=os.environ) / BACKUP_KEY
        shared = secrets.shared_place(self.environment, environ=os.environ) / f"{BACKUP_KEY}.pub"
        known = shared.read_text("utf-8").splitlines()
        ours = secrets.age_keygen("-y", str(state)).decode().split()
        if ours[0] in known:  # else a run was killed between the two files
            secrets.write_private(state, secrets.age_keygen() + state.read_bytes())
            ours = secrets.age_keygen("-y", str(state)).decode().split()
        text = "\n".join([ours[0], *(line for line in known if line not in ours)])
        files.write_atomically(shared, f"{text}\n", mode=files.PUBLIC)
        play("deploy", self.environment, {})
        return "backups are made for the new one; keep a copy of backup-key elsewhere, as before"


def ages(environment: str, *, now: datetime) -> list[str]:
    """Of `make status`: each secret with its age, and what is under way."""
    if not secrets.places(environment, environ=os.environ)[0].exists():
        return ["none yet: `make secrets`"]
    state = secrets.state_of(environment, environ=os.environ)
    try:
        vault = secrets.opened(environment, environ=os.environ)
    except OperatorError as error:
        return [str(error).splitlines()[0]]
    kept = {"authority": state / "tls/ca.pem", BACKUP_KEY: state / BACKUP_KEY}
    at = {kind: datetime.fromtimestamp(file.stat().st_mtime, UTC)
          for kind, file in kept.items() if file.exists()}  # fmt: skip
    for kind, name in NAMES.items():
        if since := vault.values.get(f"{name}_since"):
            at[kind] = datetime.fromisoformat(since)
        elif "authority" in at:
            at[kind] = at["authority"]
    told = ", ".join(f"{kind} {(now - since).days}" for kind, since in sorted(at.items()))
    lines = [f"age in days: {told}"]
    for kind, name in NAMES.items():
        step = vault.values.get(f"{name}_step", "")
        if f"{name}_before" in vault.values or step not in {"", OVERLAP}:
            lines.append(f"the rotation of {kind} has not ended: `make rotate WHAT={kind}`")
        elif step and now >= at[kind] + KEYS[kind]:
            lines.append(f"the {kind} before can go now: `make rotate WHAT={kind}`")
    return lines


def rotate(asked: argparse.Namespace, *, now: datetime) -> str:
    if asked.what in BY_HAND:
        raise OperatorError(f"{asked.what} is not rotated by a verb", BY_HAND[asked.what])
    rotation = Rotation(asked.env, asked.what, now=now)
    verbs: dict[str, Callable[[], str]] = dict.fromkeys(ACCOUNTS, rotation.password)
    verbs |= {kind: partial(rotation.key, force=asked.force) for kind in KEYS}
    verbs[BACKUP_KEY] = rotation.backup_key
    return verbs[asked.what]()


def main() -> int:
    kinds = (*NAMES, BACKUP_KEY, *BY_HAND)
    parser = Parser(
        prog="python -m rollout.rotate",
        description="A new secret in the place of one.",
        next_step=f"WHAT= one of {', '.join(kinds)}",
    )
    parser.add_environment(default="lab")
    parser.add("--what", make="WHAT", required=True, choices=kinds, help="which secret")
    parser.add("--force", make="FORCE", action="store_true", help="end an overlap before its time")
    asked = parser.parse()
    try:
        print(f"rotate {asked.env}: {asked.what}: {rotate(asked, now=datetime.now(UTC))}")
    except OperatorError as error:
        print(f"rotate {asked.env}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
