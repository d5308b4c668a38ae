"""What roles write, as those read it who must: rendered by Ansible's own templating."""

from __future__ import annotations

import re
import socket
import subprocess

import pytest
import yaml

from tests.ansible.rendering import ROLES, rendered, value_of
from tests.rollout.test_stream import LOGGED


@pytest.mark.parametrize(
    "value",
    ["agenda@example.org", "L'agenda d'ici <agenda@example.org>", 'a; b $(id) `id` \\ "$HOME"'],
)
def test_a_shell_reads_the_settings_as_systemd_does(tmp_path, value):
    """agenda-manage and a restore read them in a shell, as root; the units by systemd."""
    variables = {"agenda_smtp_from": value, "agenda_smtp_user": value}
    names = {"agenda_smtp_host": "mail", "agenda_database_host": "db", "agenda_hosts": ["a", "b"]}
    file = tmp_path / "agenda.env"
    file.write_text(rendered("agenda", "agenda.env.j2", **variables, **names))
    told = 'set -eu; . "$1"; printf "%s\\n" "$AGENDA_SMTP_FROM" "$AGENDA_SMTP_USER"'
    ended = subprocess.run(
        ["sh", "-c", told, "sh", file], capture_output=True, text=True, timeout=10, check=False
    )
    assert (ended.returncode, ended.stdout.splitlines()) == (0, [value, value]), ended.stderr


def test_apt_takes_whichever_package_proxy_answers(tmp_path):
    """In the order of the inventory; with one there is nothing to choose."""
    with socket.create_server(("127.0.0.1", 0)) as lives, socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # and does not listen
        proxies = [f"127.0.0.1:{s.getsockname()[1]}" for s in (dead, lives)]
        script = tmp_path / "apt-proxy"
        script.write_text(rendered("base", "apt-proxy.j2", base_apt_proxies=proxies))
        ask = ["bash", str(script), "http://deb.example.org"]
        said = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True)
    assert said.stdout == f"http://{proxies[1]}\n"
    assert "Proxy-Auto-Detect" in rendered("base", "95-ctlv.j2", base_apt_proxies=proxies)
    assert "Proxy-Auto-Detect" not in rendered("base", "95-ctlv.j2", base_apt_proxies=proxies[:1])


KEPT_FROM = {"address": "192.0.2.7", "alias": "db"}


@pytest.mark.parametrize(
    ("database", "take_from", "streams", "gone"),
    [
        ("agenda", [], True, ["ctlv-backup-take.timer"]),
        ("", [KEPT_FROM], False, ["ctlv-backup.timer", "ctlv-stream.service"]),
        ("", [], True, ["ctlv-backup.timer", "ctlv-backup-take.timer", "ctlv-stream.service"]),
        ("agenda", [KEPT_FROM], True, []),
    ],
)
def test_a_host_that_no_longer_takes_backups_loses_its_timer(database, take_from, streams, gone):
    names = ("ctlv-backup.timer", "ctlv-backup-take.timer", "ctlv-stream.service")
    there = {"files": [{"path": f"/etc/systemd/system/{name}"} for name in names]}
    variables = {"backup_database": database, "backup_take_from": take_from}
    variables["backup_stream"] = streams
    found = value_of("backup", "__backup_gone", __backup_found=there, **variables)
    assert sorted(found) == sorted(gone)


def test_the_log_holds_no_more_of_a_row_than_a_replay_needs():
    """As the stream's own tests have it, in a server that they start."""
    variables = {"mysql_bind_address": "192.0.2.1", "mysql_certificate": ""}
    text = rendered("mysql", "90-agenda.cnf.j2", mysql_binary_log=True, **variables)
    settings = dict(line.split(" = ") for line in text.splitlines() if " = " in line)
    told = dict(option.removeprefix("--").split("=") for option in LOGGED)
    assert told.pop("server-id") == "1"  # as it is unless it is said
    assert (
        told.items() <= {name.replace("_", "-"): value for name, value in settings.items()}.items()
    )
    assert "log_bin" not in rendered(
        "mysql", "90-agenda.cnf.j2", mysql_binary_log=False, **variables
    )


def families(text: str) -> set[str]:
    lines = [line for line in text.splitlines() if line.startswith("RestrictAddressFamilies=")]
    return {word for line in lines for word in line.partition("=")[2].split()}


@pytest.mark.parametrize(
    "unit", sorted(ROLES.glob("*/templates/ctlv-*.service.j2")), ids=lambda path: path.name
)
def test_a_unit_does_not_claim_to_be_narrower_than_the_sandbox(unit):
    """The sandbox is a drop-in, read after it: the lists are added."""
    own = families(unit.read_text())
    assert not own or own >= families((ROLES / "base/templates/sandbox.conf.j2").read_text())


def test_a_release_that_ended_comes_back_however_it_ended():
    """Told to stop by somebody else than systemd, gunicorn exits 0."""
    unit = (ROLES / "agenda/templates/agenda@.service.j2").read_text().splitlines()
    assert "Restart=always" in unit
    assert "StartLimitIntervalSec=0" in unit


def test_what_is_open_to_everybody_is_shared_out_by_address():
    nic = {"name": "eth0", "network": "campus", "address": "198.18.28.156/24"}
    ports = [
        {"network": "campus", "port": port, "from": [source]}
        for port, source in ((80, "0.0.0.0/0"), (22, "198.18.28.0/24"))
    ]
    text = rendered("base", "nftables.conf.j2", base_nics=[nic], base_open_ports=ports)
    ends = re.findall(r"dport (\d+) ct state new (.+)", text)
    assert ends == [("80", "goto everybody"), ("22", "accept")]
    assert "ct count over 1000 }" in text


def test_https_stays_open_as_long_as_people_are_led_there():
    """Seen without it: agenda_tls switched off closed the port 45 s before nginx was told."""
    given = {
        "base_nics": [{"name": "eth0", "network": "campus", "address": "198.18.28.156/24"}],
        "base_open_ports": [
            {"network": "campus", "port": port, "from": ["0.0.0.0/0"], "only_with": "tls"}
            for port in (443, 444)
        ],
        "ansible_facts": {"listeners": [{"port": 443}, {"port": 444}]},
    }
    close = yaml.safe_load((ROLES / "base/tasks/close.yml").read_text())[0]
    for last, opened in (({}, ["443"]), (close["vars"], [])):
        text = rendered("base", "nftables.conf.j2", **given, **last)
        assert re.findall(r"dport (\d+) ct state new", text) == opened


def test_who_comes_while_nginx_is_restarted_waits_for_a_few_seconds():
    """In the kernel's own words, and by systemd itself: whoever restarts it, a person included."""
    unit = (ROLES / "nginx/templates/nginx.service.j2").read_text()
    stops = re.findall(r"^ExecStop=(.*)$", unit, re.M)
    paused, taken, stopped = stops[1:]
    # Behind edges one host is restarted at another time than the others.
    alone, drained = yaml.safe_load((ROLES / "nginx/handlers/main.yml").read_text())[1:]
    assert "nginx_drained_by == ''" in alone["when"]
    assert (drained["listen"], drained["throttle"]) == ("Restart nginx", 1)
    assert stops[0] == ""
    assert set(re.findall(r"(\d+) timeout 30s", paused)) == {"80", "443", "8443"}
    assert paused.startswith("-+/usr/sbin/nft add element inet ctlv paused ")
    assert "sleep" in taken
    assert "--retry QUIT/5" in stopped
    assert "ExecStartPost=-+/usr/sbin/nft flush set inet ctlv paused\n" in unit
    nic = {"name": "eth0", "network": "campus", "address": "198.18.28.156/24"}
    ports = [{"network": "campus", "port": 80, "from": ["0.0.0.0/0"]}]
    text = rendered("base", "nftables.conf.j2", base_nics=[nic], base_open_ports=ports)
    assert text.index("tcp dport @paused counter drop") < text.index("goto everybody")
    assert text.index("established : accept") < text.index("tcp dport @paused")


@pytest.mark.parametrize(("serves", "refused"), [("agenda", "agenda"), ("api", "api")])
def test_nginx_counts_what_an_address_asks_and_says_so_in_words(serves, refused):
    """To a program in a problem document, also where a web host serves both."""
    text = rendered("nginx", "nginx.conf.j2", nginx_serves=serves, nginx_server_names=["a.example"])
    assert text.count("limit_req zone=asked") == text.count("limit_conn at_work 32") == 1
    assert f"error_page 429 /{refused}-crowded;" in text
    api = text[text.index("location /api/" if serves == "agenda" else "location / {") :]
    assert "error_page 429 /api-crowded;" in (api if serves == "agenda" else text)
    assert "return 429 " in text


@pytest.mark.parametrize("serves", ["agenda", "api"])
def test_before_a_reload_each_answer_ends_its_connection(serves):
    """nginx cuts those that idle: a program that asks at that moment would fail."""
    text = rendered("nginx", "nginx.conf.j2", nginx_serves=serves, nginx_server_names=["a.example"])
    flag = yaml.safe_load((ROLES / "nginx/vars/main.yml").read_text())["__nginx_reloads"]
    # As often as there is a place where programs or people ask.
    asked = text.count(f"if (-f {flag}) {{\n                return 418;")
    assert asked == text.count("keepalive_timeout 0;") == {"agenda": 2, "api": 1}[serves]
    for place in re.findall(r"location (@\S+)", text):
        assert f"error_page 418 = {place};" in text
    unit = (ROLES / "nginx/templates/nginx.service.j2").read_text()
    steps = re.search(r'ExecReload=/bin/sh -c "(.+)"', unit)
    assert steps
    assert [step.split()[0] for step in steps[1].split("; ")] == [
        *("touch", "sleep", "nginx", "ended=$$?", "sleep", "rm", "exit")
    ]


def test_what_is_handed_on_goes_to_a_server_of_our_own_authority_or_nowhere():
    given = {"nginx_api_servers": ["192.0.2.7"], "nginx_own_tls": "/tls", "nginx_api_name": "rest"}
    text = rendered("nginx", "nginx.conf.j2", nginx_server_names=["a.example"], **given)
    api = text[text.index("location /api/") :].partition("\n        }\n")[0]
    wanted = ["verify on", "trusted_certificate /tls/ca.pem", "name rest", "protocols TLSv1.3"]
    assert re.findall(r"proxy_ssl_(.+);", api) == wanted
    assert re.findall(r"proxy_pass (.+);", api) == ["https://api"]
    assert "server 192.0.2.7:8443;" in text


def places(text: str, place: str) -> list[str]:
    return re.findall(rf"location = {place} {{(.+?)\n        }}", text, flags=re.DOTALL)


@pytest.mark.parametrize("serves", ["agenda", "api"])
@pytest.mark.parametrize("scrapers", [[], ["198.18.112.9"]])
def test_figures_are_for_those_that_are_named_wherever_they_are_asked(serves, scrapers):
    """At the server that the campus asks, and at the one that edges hand on to; also in clear."""
    given = {"nginx_server_names": ["a.example"], "nginx_takes_on_at": "198.18.112.156"}
    given |= {"nginx_certificate": "/c.pem", "nginx_certificate_key": "/c.key"}
    text = rendered("nginx", "nginx.conf.j2", nginx_serves=serves, nginx_scrapers=scrapers, **given)
    found = places(text, "/metrics")
    assert len(found) == 2
    for place in found:
        assert re.findall(r"(allow|deny) (.+);", place) == [
            *(("allow", scraper) for scraper in scrapers),
            ("deny", "all"),
        ]
    assert '"~^http 0 /(healthz|readyz|metrics)$" "";' in text
    assert ("stub_status" in text) is bool(scrapers)


@pytest.mark.parametrize("is_on", [False, True])
def test_where_nobody_may_ask_nothing_is_counted_and_the_watch_looks_seldom(is_on):
    unit = rendered("agenda", "agenda@.service.j2", agenda_metrics=is_on)
    assert ("PROMETHEUS_MULTIPROC_DIR=/run/agenda/%i/metrics" in unit) is is_on
    assert ("RuntimeDirectory=agenda/%i/metrics" in unit) is is_on
    heard = {"inventory_hostname": "web", "watch_metrics": is_on, "watch_address": "192.0.2.1"}
    assert ("0/20" in rendered("watch", "ctlv-watch.timer.j2", **heard)) is is_on
    assert ("RuntimeDirectory=" in rendered("watch", "ctlv-watch.service.j2", **heard)) is is_on
