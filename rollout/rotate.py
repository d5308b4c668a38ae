"""A new secret in the place of one, while people use the agenda: `make rotate WHAT=…`.

    python -m rollout.rotate --env ENV --what KIND [--force]

The old one counts as long as anything made with it does. Each step may be killed: the vault says
how far it came, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from provision import credentials, files, tokens
from provision.arguments import Parser
from provision.credentials import Site
from provision.desired import desired
from provision.environment import ROOT, state_folder
from provision.errors import OperatorError, failing_as
from provision.inventory import load
from provision.ssh import Ssh, fingerprint
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
HOST_KEYS, AUTHORITY = "host-keys", "authority"
HOST_KEYS_NAME = "vault_host_keys"
OTHERS = "for other operators run `make secrets` here, commit, and let them run it"
API_TOKEN = "api-token"  # noqa: S105 - a name
HOST_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]+")
# Made beside those in use, and the same again until nobody needs the ones before; the public half
# that is compared (Debian's OpenSSH offers it first) is what this says.
MAKE_HOST_KEYS = """set -e
next=/etc/ssh/ctlv-next
if ! [ -e $next ]; then
  rm -rf $next.new && mkdir -m 700 -p $next.new/etc/ssh
  ssh-keygen -A -f $next.new >&2 && mv $next.new $next
fi
cut -d ' ' -f 1-2 $next/etc/ssh/ssh_host_ed25519_key.pub"""
USE_HOST_KEYS = """set -e
for key in /etc/ssh/ctlv-next/etc/ssh/*; do
  cp -p $key /etc/ssh/ctlv-key.new && mv /etc/ssh/ctlv-key.new /etc/ssh/${key##*/}
done
systemctl reload ssh"""
FORGET_HOST_KEYS = "rm -rf /etc/ssh/ctlv-next"
# How far a key's rotation is: every process accepts the new one; it is used, and the one before is
# accepted; the one before is no longer.
ACCEPT, USE, OVERLAP, END = "accept", "use", "overlap", "end"


class Rotation:
    """One secret of one environment. `name`_before, _step and _since say how far it is."""

    def __init__(self, environment: str, kind: str, *, now: datetime) -> None:
        self.environment, self.kind, self.now = environment, kind, now
        self.state = state_folder(environment)
        self.vault = secrets.opened(environment)
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
        state = self.state / BACKUP_KEY
        shared = secrets.shared_place(self.environment) / f"{BACKUP_KEY}.pub"
        known = shared.read_text("utf-8").splitlines()
        ours = secrets.age_keygen("-y", str(state)).decode().split()
        if ours[0] in known:  # else a run was killed between the two files
            secrets.write_private(state, secrets.age_keygen() + state.read_bytes())
            ours = secrets.age_keygen("-y", str(state)).decode().split()
        text = "\n".join([ours[0], *(line for line in known if line not in ours)])
        files.write_atomically(shared, f"{text}\n", mode=files.PUBLIC)
        play("keys", self.environment, {})
        return "backups are made for the new one; keep a copy of backup-key elsewhere, as before"

    def host_keys(self) -> str:
        """The keys of SSH, and of the certificates, which one authority signs before and after."""
        site = credentials.site(self.environment, root=ROOT)
        ssh = Ssh(site=site, desired=desired(load(self.environment, root=ROOT)))
        # Who is reached through another first: sshd listens to nobody while it reads its keys.
        containers = sorted(ssh.desired.containers, key=lambda wanted: not wanted.jumps)
        with Hosts(self.environment) as hosts:
            keys = {w.host: hosts.run(w.host, MAKE_HOST_KEYS).stdout.strip() for w in containers}
        if wrong := [host for host, key in keys.items() if not HOST_KEY.fullmatch(key)]:
            raise OperatorError(
                f"{', '.join(wrong)} did not say its new host key",
                f"see /etc/ssh/ctlv-next there (make ssh HOST={wrong[0]}), then run this again",
            )
        for host, key in keys.items():
            ssh.record(host, sorted({*ssh.known_keys(host), key}))
            for made in (self.state / "tls").glob(f"{host}.*"):
                made.unlink()
        # The containers that take backups learn them too.
        play("keys", self.environment, {})
        with Hosts(self.environment) as hosts:
            for host in keys:
                hosts.run(host, USE_HOST_KEYS)
        for wanted in containers:
            ssh.trust(wanted, fingerprint(keys[wanted.host]), timeout_s=30.0)
        with Hosts(self.environment) as hosts:
            for host in keys:
                hosts.run(host, FORGET_HOST_KEYS)
        play("keys", self.environment, {})
        since = self.now.isoformat(timespec="seconds")
        self.vault.write(**{f"{HOST_KEYS_NAME}_since": since})
        told = "".join(f"\n  {host} {fingerprint(key)}" for host, key in keys.items())
        return f"the new ones are used; {OTHERS}, or compare SSH's (make trust):{told}"

    def authority(self, *, force: bool) -> str:
        """ca.pem says who signs, and after it who else is believed; hosts get all of it."""
        place, beside = self.state / "tls", self.state / "tls/next"
        believed, told = place / "ca.pem", beside / "told"
        client = secrets.vault_client(self.environment)
        secrets.make_authority(beside, environment=self.environment, password_command=client)
        new = (beside / "tls/ca.pem").read_text("utf-8")
        signs, *others = secrets.certificates(believed)
        if new not in (signs, *others):
            files.write_atomically(believed, signs + new, mode=files.PUBLIC)
        if signs != new and not told.exists():
            play("keys", self.environment, {})
            told.touch()
            if self.is_seen_by_browsers and not force:
                return (
                    f"every host believes both; give browsers {beside / 'tls/ca.pem'} too, then "
                    "run this again, and it signs (FORCE=1 does not wait for browsers)"
                )
        if signs != new:
            secrets.write_private(place / "ca.key", (beside / "tls/ca.key").read_bytes())
            files.write_atomically(believed, new + signs, mode=files.PUBLIC)
        known_in = secrets.authority_file(self.environment)
        if len(secrets.certificates(believed)) > 1:
            now_known = f"{secrets.fingerprint_of(believed)}\n"
            files.write_atomically(known_in, now_known, mode=files.PUBLIC)
            play("keys", self.environment, {})
            files.write_atomically(believed, new, mode=files.PUBLIC)
        play("keys", self.environment, {})
        shutil.rmtree(beside)
        return (
            f"the new one signs, the one before is believed by no host; {OTHERS}; commit "
            f"{known_in.name} too"
        )

    @property
    def is_seen_by_browsers(self) -> bool:
        hosts = load(self.environment, root=ROOT).hosts.values()
        return any(host.get("agenda_tls") == "internal" for host in hosts)


def ages(environment: str, *, now: datetime) -> list[str]:
    """Of `make status`: each secret with its age, and what is under way."""
    if not secrets.places(environment)[0].exists():
        return ["none yet: `make secrets`"]
    state = state_folder(environment)
    try:
        vault = secrets.opened(environment)
    except OperatorError as error:
        return [str(error).splitlines()[0]]
    kept = {
        AUTHORITY: state / "tls/ca.pem",
        BACKUP_KEY: state / BACKUP_KEY,
        API_TOKEN: credentials.token_file(Site(environment=environment, state=state, root=ROOT)),
    }
    at = {kind: datetime.fromtimestamp(file.stat().st_mtime, UTC)
          for kind, file in kept.items() if file.exists()}  # fmt: skip
    for kind, name in {**NAMES, HOST_KEYS: HOST_KEYS_NAME}.items():
        if since := vault.values.get(f"{name}_since"):
            at[kind] = datetime.fromisoformat(since)
        elif AUTHORITY in at:
            at[kind] = at[AUTHORITY]
    told = ", ".join(f"{kind} {(now - since).days}" for kind, since in sorted(at.items()))
    lines = [f"age in days: {told}"]
    for kind, name in NAMES.items():
        step = vault.values.get(f"{name}_step", "")
        if f"{name}_before" in vault.values or step not in {"", OVERLAP}:
            lines.append(f"the rotation of {kind} has not ended: `make rotate WHAT={kind}`")
        elif step and now >= at[kind] + KEYS[kind]:
            lines.append(f"the {kind} before can go now: `make rotate WHAT={kind}`")
    known = secrets.recorded(state / "known_hosts").splitlines()
    under_way = {
        AUTHORITY: (state / "tls/next").exists(),
        # Each host's name stands once, but while it has two keys.
        HOST_KEYS: len({line.split(" ")[0] for line in known}) < len(known),
    }
    for kind in (kind for kind, is_so in under_way.items() if is_so):
        lines.append(f"the rotation of {kind} has not ended: `make rotate WHAT={kind}`")
    return lines


def rotate(asked: argparse.Namespace, *, now: datetime) -> str:
    if asked.what == API_TOKEN:
        site = credentials.site(asked.env, root=ROOT)
        return tokens.rotate(desired(load(asked.env, root=ROOT)), site)
    rotation = Rotation(asked.env, asked.what, now=now)
    verbs: dict[str, Callable[[], str]] = dict.fromkeys(ACCOUNTS, rotation.password)
    verbs |= {kind: partial(rotation.key, force=asked.force) for kind in KEYS}
    verbs |= {BACKUP_KEY: rotation.backup_key, HOST_KEYS: rotation.host_keys}
    verbs[AUTHORITY] = partial(rotation.authority, force=asked.force)
    return verbs[asked.what]()


def main() -> None:
    kinds = (*NAMES, BACKUP_KEY, HOST_KEYS, AUTHORITY, API_TOKEN)
    parser = Parser(
        prog="python -m rollout.rotate",
        description="A new secret in the place of one.",
        next_step=f"WHAT= one of {', '.join(kinds)}",
    )
    parser.add_environment(default="lab")
    parser.add("--what", make="WHAT", required=True, choices=kinds, help="which secret")
    parser.add("--force", make="FORCE", action="store_true", help="end an overlap before its time")
    asked = parser.parse()
    with failing_as(f"rotate {asked.env}"):
        print(f"rotate {asked.env}: {asked.what}: {rotate(asked, now=datetime.now(UTC))}")


if __name__ == "__main__":
    main()
