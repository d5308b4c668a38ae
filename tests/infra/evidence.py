"""What verify gathers, each piece once and in the background, and hands to the tests.

The long piece is the life of a task; everything else is asked meanwhile. Only what a test of this
run wants is gathered.
"""

from __future__ import annotations

import base64
import json
import math
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pytest

from provision.errors import OperatorError
from tests.infra import secret_values
from tests.infra.remote import BOOT, ON_HOST, Connections, Place, RemoteError, vantage
from tests.infra.site import Host, Site

DATABASE = "agenda"
CACHE = "/var/cache/agenda"
MANAGE = "/usr/local/sbin/agenda-manage"
# Long enough to be heard and looked for: so many times what the making of its account took, which
# tells how busy the machines are. A second task gets three times that.
TASK_LIVES_MIN_S, TASK_LIVES_MAX_S, LIVES_PER_ACCOUNT = 5, 20, 2
ERASED_WITHIN_S = 60
# nginx writes its log after it has answered.
LOGGED_WITHIN_S = 0.5
# What is gathered before a test of these modules asks for it, and what facts they alone want.
WANTED_BY = {
    "test_life": ("life", "api_lives"),
    "test_api": ("api_lives",),
    "test_confinement": ("confinement",),
    "test_database": ("logins",),
    "test_tls": ("logins",),
    "test_backups": ("logins",),
    "test_leaks": ("leaks",),
    "test_isolation": ("scans",),
}
COSTLY_FACTS = {"test_access": "leaks", "test_confinement": "exposure", "test_backups": "backups"}
SCAN_WAIT_S = 1.2
WELL_KNOWN = tuple(range(1, 1025))
# What no account of ours may do; and, by group, the account of its hosts and what that one may not.
FORBIDDEN = (
    "CREATE TABLE verify_was_here (id INT)",
    "SELECT * FROM mysql.user",
    "SELECT 1 INTO OUTFILE '/tmp/verify_was_here'",
)
ACCOUNTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "web": ("agenda", ()),
    "rest": (
        "agenda_rest",
        (
            "SELECT password FROM account LIMIT 1",
            "SELECT email FROM account LIMIT 1",
            "SELECT * FROM account LIMIT 1",
            "SELECT COUNT(*) FROM session",
            "UPDATE account SET is_active = is_active WHERE 1 = 0",
            "UPDATE api_token SET expires_at = expires_at WHERE 1 = 0",
            "INSERT INTO api_token SELECT * FROM api_token WHERE 1 = 0",
            "DELETE FROM task WHERE 1 = 0",
            "CREATE VIEW verify_was_here AS SELECT 1",
        ),
    ),
}
# A pattern finds only what is loaded now; a name finds the unit in any case.
UNITS = (
    "agenda@*.service",
    "agenda-expiry.service",
    "agenda-expiry.timer",
    "nginx.service",
    "mariadb.service",
    "nftables.service",
    "tinyproxy.service",
    "ctlv-voice.service",
    "haproxy.service",
    "keepalived.service",
    "ctlv-backup.service",
    "ctlv-backup-take.service",
    "ctlv-stream.service",
)
# Debian's own units that talk to a network, and that we confine.
DAEMONS = (
    *("nginx.service", "mariadb.service", "tinyproxy.service", "ctlv-voice.service"),
    *("haproxy.service", "keepalived.service"),
    *(f"prometheus-{what}-exporter.service" for what in ("node", "nginx", "mysqld")),
)
# What a timer starts every few seconds on the hosts that serve.
TICKING = ("agenda-expiry.service",)


@dataclass(slots=True)
class Life:
    """What became of one task, from its addition to its erasure."""

    begin: dict[str, Any]
    audio_files: list[str]
    row_was_there: bool
    rows_that_held_it: int
    watched: dict[str, Any]
    row_gone_s: float | None
    rows_that_hold_it: int
    audio_gone_s: float | None
    probe_rows_left: int

    @property
    def audio(self) -> bytes:
        return base64.b64decode(self.begin["audio"])


@dataclass(frozen=True, slots=True)
class ApiLife:
    """What became of one task that a program posted to one host with a bearer token."""

    begin: dict[str, Any]
    audio_files: list[str]
    watched: dict[str, Any]
    audio_gone_s: float | None

    @property
    def audio(self) -> bytes:
        return base64.b64decode(self.begin["audio"])


class Evidence:
    """`modules`: those of the tests of this run. `quick`: after a switch, see `_urge`."""

    def __init__(
        self, site: Site, connections: Connections, *, modules: Collection[str], quick: bool = False
    ) -> None:
        self.site = site
        self.connections = connections
        self.quick = quick
        self.costly_facts = sorted(COSTLY_FACTS[name] for name in modules if name in COSTLY_FACTS)
        self.vantage: Place | None = vantage(site)
        self.pool = ThreadPoolExecutor(max_workers=64)
        # In every request of this run, and with more behind it in each title: nothing that keeps it
        # may be left.
        self.needle = f"verify-{secrets.token_hex(8)}"
        # The tokens of probe accounts: they too must be in no log.
        self.tokens: list[str] = []
        self._began_at = time.monotonic()
        self._asked_at = 0.0
        self._lock = threading.RLock()
        self._begun: dict[str, Future[Any]] = {}
        self._begin(modules)

    def _begin(self, modules: Collection[str]) -> None:
        """The longest first."""
        wanted = {piece for name in modules for piece in WANTED_BY.get(name, ())}
        for host in self.site.hosts:
            self._facts(host)
        for piece, hosts, begin in (
            ("life", self.site.of("web"), self._life),
            ("confinement", self._serving(), self._confinement),
            ("leaks", self.site.hosts, self._leaks),
            ("logins", self._serving(), self._logins),
        ):
            if piece in wanted:
                for host in hosts:
                    begin(host)
        for piece, start in (("api_lives", self._api_lives), ("scans", self._scans)):
            if piece in wanted:
                start()

    def _once(self, piece: str, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        with self._lock:
            if piece not in self._begun:
                self._begun[piece] = self._later(work, *arguments)
            return self._begun[piece]

    def _facts(self, host: Host) -> Future[Any]:
        return self._once(f"facts {host.name}", self._ask_facts, host)

    def _life(self, web: Host) -> Future[Any]:
        return self._once(f"life {web.name}", self._live, web)

    def _confinement(self, host: Host) -> Future[Any]:
        return self._once(f"confinement {host.name}", self._confine, host)

    def _leaks(self, host: Host) -> Future[Any]:
        return self._once(f"leaks {host.name}", self._search, host)

    def _logins(self, host: Host) -> Future[Any]:
        return self._once(f"logins {host.name}", self._try_logins, host)

    def _api_lives(self) -> Future[Any]:
        return self._once("API lives", self._live_apis)

    def _scans(self) -> Future[Any]:
        return self._once("scans", self._scan_all)

    @cached_property
    def _blinded(self) -> dict[str, Any]:
        return secret_values.blinded(secret_values.runs(self.site.environment, os.environ))

    def _later(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self.pool.submit(work, *arguments)

    def _serving(self) -> list[Host]:
        """The hosts that serve releases: the web containers, and REST servers if there are any."""
        return [*self.site.of("web"), *self.site.of("rest")]

    def place(self, host: Host) -> Place:
        return self.connections.place(host.name)

    @property
    def web_viewpoint(self) -> Callable[[Host], Place]:
        """Where HTTP is asked from: the vantage point, else the web host itself."""
        return lambda host: self.vantage or self.place(host)

    def facts(self, host: Host) -> dict[str, Any]:
        return had(self._facts(host))

    def life(self, host: Host) -> Life:
        return had(self._life(host))

    def confinement(self, host: Host) -> dict[str, dict[str, str]]:
        return had(self._confinement(host))

    def logins(self, host: Host) -> dict[str, Any]:
        return had(self._logins(host))

    def leaks(self, host: Host) -> dict[str, Any]:
        return had(self._leaks(host))

    def scan(self, name: str) -> dict[str, Any]:
        return had(self._scans())[name]

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)

    # --- how each piece is gathered -------------------------------------------------

    def _ask_facts(self, host: Host) -> dict[str, Any]:
        asked = {"units": list(UNITS), "costly": self.costly_facts}
        ticks = TICKING if host in self._serving() else ()
        asked |= {"ticks": list(ticks), "daemons": list(DAEMONS)}
        return self.place(host).program("facts", asked)

    def _search(self, host: Host) -> dict[str, Any]:
        """Last of all, so that what this run left is searched too."""
        for web in self.site.of("web"):
            self._life(web).exception()
        return self.place(host).program("leaks", self._blinded)

    def _running_units(self, host: Host) -> list[str]:
        units = self.facts(host)["units"].values()
        return [u["Id"] for u in units if u["Id"].startswith("agenda@") and u["MainPID"] != "0"]

    def _confine(self, host: Host) -> dict[str, dict[str, str]]:
        database = self.site.of("database")[0].addresses["private"]
        address, port = self.beside(host).split(":")
        asked = {
            "user": "agenda",
            "units": [*self._running_units(host), "agenda-expiry.service"],
            "attempts": (ON_HOST / "attempts.py").read_text("utf-8"),
            "boot": BOOT,
            "asked": {"tasks": 100, "connect": [[address, int(port)], [database, 3306]]},
        }
        return self.place(host).program("confinement", asked)

    def beside(self, host: Host) -> str:
        """An address:port that root on a serving host reaches, and the agenda's user must not."""
        group, port = ("database", 22) if "web" in host.groups else ("web", 80)
        return f"{self.site.of(group)[0].addresses['private']}:{port}"

    @contextmanager
    def _probe(self, host: Host, *, purpose: str = "verify") -> Iterator[dict[str, str]]:
        """A one-time account; also removed when something fails while it lives."""
        place, which = self.place(host), f"--purpose={purpose}"
        created = place.run([MANAGE, "agenda_probe", which, "create"], timeout_s=60)
        account = json.loads(created.stdout)
        # Not those of other hosts and runs; releases before 1.0 cannot tell them apart.
        words = account.pop("remove", ["remove"])
        try:
            yield account
        finally:
            place.run([MANAGE, "agenda_probe", which, *words], timeout_s=60)

    def _needle_of_a_life(self) -> str:
        """Of its own, because the rows and sounds of one life are counted while others go on."""
        return f"{self.needle}-{secrets.token_hex(4)}"

    def _live(self, web: Host) -> Life:
        database = self.place(self.site.of("database")[0])
        needle = self._needle_of_a_life()
        title = f"Rendre {needle}"
        where = self.web_viewpoint(web)
        server = self.site.server(web)
        asked_at = time.monotonic()
        with self._probe(web) as account:
            lifetimes_s = lifetimes_s_of(time.monotonic() - asked_at)
            self.tokens.append(account.pop("token"))
            asked = {**server, **account, "title": title, "stage": "begin"}
            for lives_s in lifetimes_s:
                begin = where.program("journey", {**asked, "lives_s": lives_s})
                row = {"database": DATABASE, "task": begin["task"], "needle": needle}
                files = self.place(web).program("audio", {"cache": CACHE, "audio": begin["audio"]})
                before = database.program("rows", {**row, "wait_s": 0})
                if files["files"] and before["seconds"] is None and before["held"]:
                    break
            watched = where.program("journey", {**server, **_watching(begin), "title": title})
            self._urge(self.place(web))
            gone = self._later(database.program, "rows", {**row, "wait_s": ERASED_WITHIN_S})
            silent = self.place(web).program("audio", {**files, "wait_s": ERASED_WITHIN_S})
            erased = gone.result()
        left = database.program("rows", {**row, "needle": account["username"], "wait_s": 0})
        return Life(
            begin=begin,
            audio_files=files["files"],
            row_was_there=before["seconds"] is None,
            rows_that_held_it=before["held"],
            watched=watched,
            row_gone_s=erased["seconds"],
            rows_that_hold_it=erased["held"],
            audio_gone_s=silent["seconds"],
            probe_rows_left=left["held"],
        )

    def _urge(self, place: Place) -> None:
        """A switch changed what the timer starts and not the timer: do not wait for its tick."""
        if self.quick:
            place.run(["systemctl", "start", "agenda-expiry.service"])

    def api_life(self, host: Host) -> ApiLife:
        return had(self._api_lives())[host.name]

    def _live_apis(self) -> dict[str, ApiLife]:
        """With an account of its own: on the agenda's page its tasks would be in the way."""
        asked_at = time.monotonic()
        with self._probe(self.site.of("web")[0], purpose="api") as account:
            lifetimes_s = lifetimes_s_of(time.monotonic() - asked_at)
            token = account["token"]
            self.tokens.append(token)
            lives = {
                h.name: self._later(self._live_api, h, token, lifetimes_s)
                for h in self.site.answering_the_api
            }
            return {name: life.result() for name, life in lives.items()}

    def _live_api(self, host: Host, token: str, lifetimes_s: tuple[int, int]) -> ApiLife:
        """The API at the address of `host`, and the audio of whichever hosts said it."""
        where, server = self.web_viewpoint(host), {**self.site.server(host), "token": token}
        title = f"Appeler {self._needle_of_a_life()}"
        speakers = [self.place(each) for each in self.site.of("rest") or (host,)]
        for lives_s in lifetimes_s:
            asked = {**server, "title": title, "lives_s": lives_s, "stage": "begin"}
            begin = where.program("api_life", asked)
            if "task" not in begin:
                return ApiLife(begin, [], {}, None)
            wanted = {"cache": CACHE, "audio": begin["audio"]}
            heard = [(place, place.program("audio", wanted)) for place in speakers]
            if said := [(place, files) for place, files in heard if files["files"]]:
                break
        seen = {name: begin[name] for name in ("task", "deadline_at")}
        watched = where.program("api_life", {**server, **seen, "stage": "watch"})
        gone_s = []
        for place, files in said:
            self._urge(place)
            silent = place.program("audio", {**files, "wait_s": ERASED_WITHIN_S})
            gone_s.append(silent["seconds"])
        files = [name for _, files in said for name in files["files"]]
        all_gone_s = max(gone_s) if gone_s and None not in gone_s else None
        return ApiLife(begin, files, watched, all_gone_s)

    def _try_logins(self, host: Host) -> dict[str, Any]:
        """From a serving host with right and wrong accounts, then the right one from elsewhere."""
        database = self.site.of("database")[0]
        address = database.addresses["private"]
        user, beyond = ACCOUNTS["rest" if "rest" in host.groups else "web"]
        names = ("agenda", "agenda_rest", "agenda_migrate", "root", "mysql", "")
        wrong = [{"user": name, "password": ""} for name in names]
        asked = {
            **{"host": address, "port": 3306, "database": DATABASE, "user": user},
            "password_file": "/etc/agenda/database_password",
            "try": [{"user": user, "password": None}, *wrong],
            "forbidden": [*FORBIDDEN, *beyond],
        }
        python = ("/opt/agenda/current/venv/bin/python",)
        answer = self.place(host).program("logins", asked, python=python)
        elsewhere = {"user": user, "password": answer.pop("password"), "address": address}
        seen = self.place(database).program("accounts", {"try": [elsewhere]})
        return {
            **answer,
            "names": ["the right one", *names],
            "from elsewhere": seen["tries"][0],
        } | {
            "accounts": seen["accounts"],
            "plugins": seen["plugins"],
        }

    @cached_property
    def listening(self) -> tuple[int, ...]:
        """Every TCP port that any container listens on: only these could answer from afar."""
        found = {
            int(entry["port"])
            for host in self.site.hosts
            for entry in self.facts(host)["listeners"]
            if entry["protocol"].startswith("tcp")
        }
        return tuple(sorted(found))

    def _scan_all(self) -> dict[str, dict[str, Any]]:
        """One after the other: a scan is the one thing here that could crowd out the others."""
        if self.vantage is None:
            return {}
        web = self.site.of("web")
        ports = sorted({*WELL_KNOWN, *self.listening})
        asked = [*(h.addresses["campus"] for h in self._on("campus"))]
        asked += self.site.published.values()
        campus = [{"address": address, "ports": "all"} for address in asked]
        private = [{"address": h.addresses["private"], "ports": ports} for h in self._on("private")]
        routes = [
            {"address": target["address"], "via": web[0].addresses["campus"]} for target in private
        ]
        # All ports of seven addresses, on two busy cores.
        ask = partial(self.vantage.program, timeout_s=600)
        return {
            "campus": ask("scan", {"targets": campus, "timeout_s": SCAN_WAIT_S}),
            "private": ask("scan", {"targets": private, "timeout_s": SCAN_WAIT_S}),
            "routed": ask("scan", {"targets": private, "routes": routes, "timeout_s": SCAN_WAIT_S}),
            "ipv6": ask("scan", {"targets": self._ipv6(ports), "timeout_s": SCAN_WAIT_S}),
        }

    def _on(self, network: str) -> list[Host]:
        return [host for host in self.site.hosts if network in host.addresses]

    def _ipv6(self, ports: list[int]) -> list[dict[str, Any]]:
        """Every IPv6 address of every interface on 2028, link-local ones included."""
        targets = []
        for host in self._on("campus"):
            ours = host.addresses["campus"]
            for interface in self.facts(host)["addresses"]:
                addresses = [entry["local"] for entry in interface["addr_info"]]
                if ours in addresses:
                    targets += [
                        {"address": address, "ports": ports, "beside": ours}
                        for address in addresses
                        if ":" in address
                    ]
        return targets

    def requests(self, place: Place, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            return place.program("http_probe", {"requests": requests})
        finally:
            self._asked_at = time.monotonic()

    def traces(self, host: Host) -> list[str]:
        time.sleep(max(0.0, self._asked_at + LOGGED_WITHIN_S - time.monotonic()))
        needles = [self.needle, *filter(None, self.tokens)]
        # No needle is older than this run; what is a minute more costs nothing.
        since_s = int(time.monotonic() - self._began_at) + 60
        return self.place(host).program("traces", {"needles": needles, "since_s": since_s})["found"]


def lifetimes_s_of(account_took_s: float) -> tuple[int, int]:
    paced_s = math.ceil(LIVES_PER_ACCOUNT * account_took_s)
    first_s = min(TASK_LIVES_MAX_S, max(TASK_LIVES_MIN_S, paced_s))
    return first_s, 3 * first_s


def had(gathered: Future[Any]) -> Any:
    """What was gathered; what could not be is said in one line by each test that wants it."""
    try:
        return gathered.result()
    except (RemoteError, OperatorError, OSError, subprocess.SubprocessError) as error:
        pytest.fail(f"could not be found out: {error}", pytrace=False)


def _watching(begin: dict[str, Any]) -> dict[str, Any]:
    return {"stage": "watch", **{name: begin[name] for name in ("cookies", "paths", "deadline_at")}}
