"""The database is for the agenda alone, from the web hosts' private addresses alone."""

from __future__ import annotations

import re

import yaml

from tests.infra.site import ROOT

ROWS = ["DELETE", "INSERT", "SELECT", "UPDATE"]
# Access denied: to log in, to a database, to a command, to a column, to what only root may.
DENIED = {"ERROR 1044", "ERROR 1045", "ERROR 1142", "ERROR 1143", "ERROR 1227"}
DAY_S = 24 * 3600
SCHEMA = sorted([*ROWS, "ALTER", "CREATE", "DROP", "INDEX", "REFERENCES"])


def test_it_listens_on_its_private_address_only(site, database, evidence):
    listeners = evidence.facts(database)["listeners"]
    where = {(e["address"], e["port"]) for e in listeners if e["program"].startswith("mariadb")}
    ports = [3306] if len(site.addresses_of("database")) == 1 else [3306, 4567]
    assert where == {(database.addresses["private"], port) for port in ports}


def test_it_lets_in_an_account_with_the_right_password_only(serving, evidence):
    logins = evidence.logins(serving)
    outcomes = dict(zip(logins["names"], logins["tries"], strict=True))
    assert outcomes.pop("the right one") == "in"
    assert [name for name, outcome in outcomes.items() if outcome == "in"] == []


def test_the_right_password_opens_nothing_from_another_address(serving, evidence):
    assert evidence.logins(serving)["from elsewhere"].startswith("ERROR 1")


def test_an_account_can_do_no_more_than_it_needs(serving, evidence):
    forbidden = evidence.logins(serving)["forbidden"]
    assert len(forbidden) >= 3
    assert [outcome for outcome in forbidden if outcome not in DENIED] == []


def test_accounts_and_grants_are_exactly_these(site, web, evidence):
    sources = site.addresses_of("web")
    accounts = evidence.logins(web)["accounts"]
    remote = {name: grants for name, grants in accounts.items() if not is_local(name)}
    wanted = {f"agenda@{address}": rights(ROWS) for address in sources}
    wanted |= {f"agenda_migrate@{address}": rights(SCHEMA) for address in sources}
    for address in site.addresses_of("rest"):
        wanted[f"agenda_rest@{address}"] = rights_of_the_api()
    assert remote == wanted


def test_local_accounts_have_no_password(web, evidence):
    plugins = evidence.logins(web)["plugins"]
    local = {name: how for name, how in plugins.items() if is_local(name)}
    assert local, "no local account: this test looks in the wrong place"
    assert [name for name, how in local.items() if not is_closed_to_passwords(*how)] == []


def test_whoever_may_change_the_schema_is_locked_between_deployments(web, evidence):
    plugins = evidence.logins(web)["plugins"]
    locked = {name: how[1] for name, how in plugins.items() if name.startswith("agenda_migrate@")}
    assert locked, "no such account: this test looks in the wrong place"
    assert set(locked.values()) == {"1"}, locked


def test_its_log_keeps_no_words_longer_than_a_day(database, evidence):
    facts = evidence.facts(database)
    assert facts["journald"]["MaxRetentionSec"] == "22h"
    assert 0 <= facts["journal_age_s"] < DAY_S


def is_closed_to_passwords(plugin: str, locked: str, unusable: str) -> bool:
    """Debian's root has a password too, beside the socket: one that fits nothing."""
    return plugin == "unix_socket" or "1" in {locked, unusable}


def is_local(name: str) -> bool:
    return name.endswith("@localhost")


def rights(privileges: list[str]) -> dict[str, list[str]]:
    return {"*.*": ["USAGE"], "agenda.*": privileges}


def rights_of_the_api() -> dict[str, list[str]]:
    """Exactly what the application lists, a column at a time."""
    listed = yaml.safe_load((ROOT / "app/api/privileges.yml").read_text("utf-8"))
    tables = {f"agenda.{name}": single(text) for name, text in listed["rest_privileges"].items()}
    return {"*.*": ["USAGE"], **tables}


def single(privileges: str) -> list[str]:
    """ "SELECT (id, name), DELETE" as ["DELETE", "SELECT (id)", "SELECT (name)"]."""
    found = []
    for name, columns in re.findall(r"([A-Z]+)(?:\s*\(([^)]*)\))?", privileges):
        named = [f"{name} ({column.strip()})" for column in columns.split(",") if columns]
        found += named or [name]
    return sorted(found)
