"""Two edges: each by its own address, and whichever holds what people ask for."""

from __future__ import annotations

import json
import secrets

from tests.infra.test_api import ask

LOG = "/var/log/nginx/access.log"
SERVERS = """
import json, socket
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect("/run/haproxy/admin.sock")
    asked.sendall(b"show stat\\n")
    lines = b"".join(iter(lambda: asked.recv(65536), b"")).decode().strip().splitlines()
names = lines[0].lstrip("# ").split(",")
rows = [dict(zip(names, line.split(","))) for line in lines[1:]]
print(json.dumps({row["svname"]: row["status"] for row in rows if row["type"] == "2"}))
"""


def addresses(evidence, edge):
    told = evidence.facts(edge)["addresses"]
    return {entry["local"] for interface in told for entry in interface["addr_info"]}


def test_one_edge_holds_all_published_addresses_and_the_other_none(site, evidence):
    published = set(site.published.values())
    held = [addresses(evidence, edge) & published for edge in site.of("edge")]
    assert sorted(held, key=len) == [set(), published]


def test_each_door_answers_and_nobody_is_asked_under_a_name_that_is_not_ours(door, evidence):
    assert ask(evidence, door, "/api/v1/health")["status"] == 200
    assert ask(evidence, door, "/agenda", host="evil.example")["status"] == 400


def test_readiness_is_nobodys_affair_on_the_campus(door, evidence):
    assert ask(evidence, door, "/readyz")["status"] in {403, 404}
    assert ask(evidence, door, "/metrics")["status"] in {403, 404}


def test_what_somebody_says_about_himself_counts_for_nothing_behind(door, site, evidence):
    """Short, so that the log keeps it; the address in the log is that of whoever asked."""
    path = f"/api/v1/{secrets.token_hex(4)}"
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert ask(evidence, door, path, headers=headers)["status"] == 404
    logs = [evidence.place(h).run(["tail", "-n", "500", LOG]).stdout for h in site.of("web")]
    logs += [evidence.place(h).run(["tail", "-n", "500", LOG]).stdout for h in site.of("rest")]
    lines = [line for log in logs for line in log.splitlines() if path in line]
    asked_by = {line.split()[0] for line in lines}
    assert len(asked_by) == 1, lines
    edges = {address for edge in site.of("edge") for address in edge.addresses.values()}
    webs = {address for web in site.of("web") for address in web.addresses.values()}
    assert not asked_by & ({"203.0.113.9"} | edges | webs)


def test_http_leads_to_https_and_keeps_the_path(door, site, evidence):
    if site.tls == "off":
        assert 443 not in door.declared("campus")
        return
    answer = ask(evidence, door, "/agenda/sign-in/", port=80, ca="")
    address = door.addresses["campus"]
    assert answer["status"] == 308
    assert answer["headers"]["location"] == f"https://{address}/agenda/sign-in/"
    token = {"Authorization": "Bearer ctlv_none"}
    told = ask(evidence, door, "/api/v1/tasks", port=80, ca="", headers=token)
    assert (told["status"], "plain-http" in told["body"]) == (403, True)


def test_both_edges_know_every_host_behind_them_as_one_that_serves(edge, site, evidence):
    told = evidence.place(edge).run(["python3", "-c", SERVERS]).stdout
    behind = [host for group in site.published for host in site.of(group)]
    assert {h.name: json.loads(told)[h.name].split()[0] for h in behind} == {
        h.name: "UP" for h in behind
    }


def test_the_other_edge_alone_is_heard_when_it_says_that_it_lives(edge, site, on):
    rules = on(edge).check_output("nft list chain inet ctlv input").splitlines()
    heard = [rule.strip() for rule in rules if "vrrp" in rule]
    other = next(host for host in site.of("edge") if host.name != edge.name)
    private = [rule for rule in heard if f"ip saddr {other.addresses['private']} " in rule]
    assert private == heard
    assert len(heard) == 1
