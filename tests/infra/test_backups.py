"""Backups: whole, encrypted, closed to others; the keepers' key opens nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

KEEPER = "/var/lib/ctlv-backup/.ssh/config"
# To read the log of what is written, to close it, to let go of what was read.
LOG = ["BINLOG ADMIN", "BINLOG MONITOR", "RELOAD", "REPLICATION SLAVE"]
# It looks every two seconds, on a machine that may be busy; the drill measures what is lost.
LATE_MOST_S = 15
REFUSED = ("id", "", "get ../../../etc/shadow", "get *", "follow ../x 0")
ONE_KEY = 'restrict,command="/usr/local/sbin/ctlv-backup hand-out" ssh-ed25519 '


def test_no_backup_is_half_and_none_is_in_clear(host, evidence):
    found = evidence.facts(host)["backups"]
    if not found:
        assert "database" not in host.groups  # only this group must have them
        return
    assert (found["mode"], found["owner"]) == ("0700", "ctlv-backup")
    assert (found["half"], found["in_clear"]) == ([], [])


def test_the_last_backup_did_not_fail(host, evidence):
    units = evidence.facts(host)["units"]
    for name in ("ctlv-backup.service", "ctlv-backup-take.service"):
        assert units[name]["Result"] == "success", name


def test_the_backups_account_may_read_and_nothing_else(web, database, evidence):
    grants = evidence.logins(web)["accounts"]["ctlv-backup@localhost"]
    streams = "ctlv-stream.service" in evidence.facts(database)["exposure"]
    everywhere = LOG if streams else ["USAGE"]
    assert grants == {"*.*": everywhere, "agenda.*": ["SELECT", "SHOW VIEW"]}
    assert evidence.logins(web)["plugins"]["ctlv-backup@localhost"][0] == "unix_socket"


def test_what_is_written_is_streamed_within_seconds(host, evidence):
    """Measured where it lies: at the database, and at who keeps it."""
    stream = evidence.facts(host)["backups"].get("stream")
    if not stream:
        return  # three databases, or a host that keeps nothing
    assert evidence.facts(host)["units"]["ctlv-stream.service"]["UnitFileState"] == "enabled"
    assert stream["age_s"] is not None
    assert stream["age_s"] <= LATE_MOST_S
    assert stream["files"] > 0
    # What is closed is gone as soon as it is shipped.
    assert stream["logs"] <= 3


def test_each_keeper_has_one_key_and_nobody_else_has_one(database, evidence, site, on):
    keepers = [web for web in site.of("web") if on(web).file(KEEPER).exists]
    keys = evidence.facts(database)["backups"]["keys"]
    # Of who was left out nobody knows here whether it has one.
    unseen = sum("web" in host.groups for host in site.left_out)
    assert len(keepers) <= len(keys) <= len(keepers) + unseen
    assert [key for key in keys if not key.startswith(ONE_KEY)] == []


def test_a_keepers_key_opens_nothing_but_backups(web, on):
    """Tried by the key's own owner: a command, a shell, a port, a file outside the folder."""
    if not on(web).file(KEEPER).exists:
        return  # the inventory lets nobody take copies: there is no such key
    hosts = on(web).check_output(f"sed -n 's/^Host //p' {KEEPER}").split()
    names = [name for name in hosts if name != "*"]
    as_keeper = f"setpriv --reuid ctlv-backup --regid ctlv-backup --init-groups ssh -F {KEEPER}"

    def ask(words):
        return on(web).run(f"{as_keeper} {words}")

    # Side by side: each is a connection of its own, and ours to the web carries ten.
    with ThreadPoolExecutor(max_workers=6) as pool:
        listed = pool.map(ask, [f"{name} list" for name in names])
        ported = pool.map(ask, [f"-W 127.0.0.1:22 {name}; echo $?" for name in names])
        refused = pool.map(ask, [f"{name} '{wrong}'" for name in names for wrong in REFUSED])
    assert {answer.rc for answer in listed} == {0}
    for answer in ported:
        assert "administratively prohibited" in answer.stderr
    for answer in refused:
        assert (answer.rc, answer.stdout) == (1, ""), answer.command
