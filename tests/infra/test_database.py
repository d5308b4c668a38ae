"""The database is for the agenda alone, from the web hosts' private addresses alone."""

from __future__ import annotations

ROWS = ["DELETE", "INSERT", "SELECT", "UPDATE"]
SCHEMA = sorted([*ROWS, "ALTER", "CREATE", "DROP", "INDEX", "REFERENCES"])


def test_it_listens_on_its_private_address_only(database, evidence):
    listeners = evidence.facts(database)["listeners"]
    where = {(e["address"], e["port"]) for e in listeners if e["program"].startswith("mariadb")}
    assert where == {(database.addresses["private"], 3306)}


def test_it_lets_in_the_agenda_with_the_right_password_only(web, evidence):
    logins = evidence.logins(web)
    outcomes = dict(zip(logins["names"], logins["tries"], strict=True))
    assert outcomes.pop("the right one") == "in"
    assert [name for name, outcome in outcomes.items() if outcome == "in"] == []


def test_the_right_password_opens_nothing_from_another_address(web, evidence):
    assert evidence.logins(web)["from elsewhere"].startswith("ERROR 1")


def test_the_agendas_account_can_do_no_more_than_it_needs(web, evidence):
    forbidden = evidence.logins(web)["forbidden"]
    assert [outcome for outcome in forbidden if not outcome.startswith("ERROR 1")] == []


def test_accounts_and_grants_are_exactly_these(site, web, evidence):
    sources = [host.addresses["private"] for host in site.of("web")]
    accounts = evidence.logins(web)["accounts"]
    remote = {name: grants for name, grants in accounts.items() if not is_local(name)}
    wanted = {f"agenda@{address}": rights(ROWS) for address in sources}
    wanted |= {f"agenda_migrate@{address}": rights(SCHEMA) for address in sources}
    assert remote == wanted


def test_local_accounts_have_no_password(web, evidence):
    plugins = evidence.logins(web)["plugins"]
    local = {name: how for name, how in plugins.items() if is_local(name)}
    assert local, "no local account: this test looks in the wrong place"
    for name, (plugin, locked) in local.items():
        assert plugin == "unix_socket" or locked == "1" or name.startswith(("root@", "mysql@"))


def is_local(name: str) -> bool:
    return name.endswith("@localhost")


def rights(privileges: list[str]) -> dict[str, list[str]]:
    return {"*.*": ["USAGE"], "agenda.*": privileges}
