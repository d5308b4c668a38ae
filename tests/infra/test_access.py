"""Nobody gets in but by key; no secret can be read by others."""

from __future__ import annotations

from rollout import operators


def test_ssh_takes_keys_only(host, evidence):
    sshd = evidence.facts(host)["sshd"]
    assert sshd["passwordauthentication"] == "no"
    assert sshd["kbdinteractiveauthentication"] == "no"
    assert sshd["permitemptypasswords"] == "no"
    assert sshd["permitrootlogin"] in {"prohibit-password", "without-password"}


def test_ssh_offers_nothing_but_keys_to_a_stranger(host, connections):
    assert connections.offered_methods(host.name).endswith("Permission denied (publickey).")


def test_root_lets_in_exactly_the_operators(host, evidence, site):
    """Without a list whoever had a key when the container was created."""
    lines = evidence.facts(host)["root_keys"]
    let_in = [operators.key_of(" ".join(line.split()[:2])) for line in lines]
    named = operators.read(operators.list_file(site.environment)).values()
    assert sorted(let_in) == sorted(named or let_in)
    assert let_in
    assert evidence.facts(host)["sshd"]["authorizedkeysfile"] == ".ssh/authorized_keys"


def test_no_account_has_a_password(host, evidence):
    facts = evidence.facts(host)
    assert facts["root"][:2] == ["root", "L"]
    assert facts["passwords"] == []


def test_secret_files_are_closed_to_others(host, evidence):
    files = evidence.facts(host)["secret_files"]
    assert files, "no secret file was found: this test looks in the wrong place"
    assert [f for f in files if int(f["mode"], 8) & 0o007 or f["owner"] != "root"] == []


def test_a_web_hosts_secrets_are_there(web, evidence):
    assert {"secret_key", "database_password", "token_key"} <= secrets_on(web, evidence)


def test_a_rest_server_has_the_tokens_key_and_not_djangos(site, evidence):
    for rest in site.of("rest"):
        names = secrets_on(rest, evidence)
        assert {"database_password", "token_key"} <= names
        assert {"secret_key", "migrate_password"} & names == set()


def secrets_on(host, evidence):
    return {file["path"].rsplit("/", 1)[1] for file in evidence.facts(host)["secret_files"]}


def test_no_secret_leaks_on_its_own_host(host, evidence):
    assert evidence.facts(host)["leaks"] == []
