"""What `make metrics` writes, read by a Prometheus of Debian's: asked, judged and drawn."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from provision.errors import OperatorError
from provision.inventory import load
from rollout import metrics
from rollout.board import board
from tests.app.served import ServedAgenda, free_port

ROOT = Path(__file__).parents[2]
CAUSES = json.loads(metrics.CAUSES.read_text())
# As the exporters of role metrics answer in the lab, of each job what the board asks for.
PAGES = {
    "ctlv-host": """
node_cpu_seconds_total{cpu="0",mode="idle"} 1
node_memory_MemAvailable_bytes 5e8
node_memory_MemTotal_bytes 1e9
node_filesystem_avail_bytes{mountpoint="/"} 1e9
node_filesystem_size_bytes{mountpoint="/"} 4e9
ctlv_cause{cause="disk",subject="disk"} 1
ctlv_watch_at_seconds NOW
""",
    "ctlv-nginx": "nginx_http_requests_total 7\nnginx_connections_active 1\n",
    "ctlv-mariadb": ("mysql_global_status_questions 9\nmysql_global_status_threads_connected 2\n"),
    "ctlv-haproxy": (
        'haproxy_frontend_http_requests_total{proxy="web"} 3\n'
        'haproxy_server_status{proxy="web",server="a",state="UP"} 1\n'
    ),
}
READY_LIMIT_S = 60


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The lab's inventory with edges, and one Prometheus that may ask."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "inventory", folder / "inventory", symlinks=True)
    lab = folder / "inventory/lab"
    (lab / "group_vars/all/metrics.yml").write_text('metrics_scrapers: ["198.18.112.9"]\n')
    for example in lab.glob("hosts-cluster.yml.txt"):
        shutil.copy(example, example.with_suffix(""))
    for example in lab.glob("host_vars/*/edge.yml.txt"):
        shutil.copy(example, example.with_suffix(""))
    return load("lab", root=folder)


@pytest.fixture(scope="module")
def written(site, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    metrics.write(site, folder)
    return folder


def promtool(*words: object) -> str:
    done = subprocess.run(
        ["promtool", *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_host_is_asked_for_what_it_has_and_by_its_name(site, written):
    found = yaml.safe_load((written / "scrape.yml").read_text())["scrape_configs"]
    asked = {
        (entry["labels"]["job"], entry["labels"]["instance"]): entry["targets"]
        for each in found
        for entry in each["static_configs"]
    }
    database, web = site.groups["database"][0], site.groups["web"][0]
    assert asked["ctlv-mariadb", database] == ["198.18.112.157:9104"]
    assert asked["ctlv-agenda", web] == ["198.18.112.156:80"]
    assert {job for job, host in asked if host == site.groups["edge"][0]} == {
        "ctlv-host",
        "ctlv-haproxy",
    }
    assert {host for job, host in asked if job == "ctlv-host"} == set(site.hosts)
    promtool("check", "config", written / "scrape.yml")


def test_exactly_what_is_asked_is_opened(site):
    """To those that may ask; port 80 is open to VLAN 2112, and nginx says who may ask /metrics."""
    for host, variables in site.hosts.items():
        opened = {
            port["port"]
            for port in variables["base_open_ports"]
            if port.get("only_with") == "metrics" and port["from"] == "{{ metrics_scrapers }}"
        }
        asked = {port for groups, port in metrics.JOBS.values() if of(site, host, groups)}
        assert opened == asked - {80}, host


def of(site, host, groups):
    return any(host in site.groups.get(group, ()) for group in groups)


def test_nothing_is_written_where_nobody_may_ask(tmp_path):
    with pytest.raises(OperatorError, match="metrics_scrapers of lab is empty") as told:
        metrics.write(load("lab", root=ROOT), tmp_path / "out")
    assert "Next: " in str(told.value)
    assert not (tmp_path / "out").exists()


def alert(cause: str, host: str, subject: str) -> dict:
    return {
        "exp_labels": {"cause": cause} | subject_of(host, subject),
        "exp_annotations": {"summary": f"{host}: {subject}", "next": CAUSES[cause]},
    }


def subject_of(host: str, subject: str) -> dict:
    return {"environment": "lab", "instance": host, "job": "ctlv-host", "subject": subject}


def series(name: str, values: str, **labels: str) -> dict:
    inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{name}{{{inner}}}", "values": values}


def judged(folder: Path, cause: str, given: list[dict], expected: dict[str, list[dict]]) -> None:
    """`expected`: what stands at which moment."""
    tests = {
        "rule_files": [str(folder / "rules.yml")],
        "evaluation_interval": "20s",
        "tests": [
            {
                "interval": "20s",
                "input_series": given,
                "alert_rule_test": [
                    {
                        "eval_time": at,
                        "alertname": f"Ctlv{cause.capitalize()}",
                        "exp_alerts": alerts,
                    }
                    for at, alerts in expected.items()
                ],
            }
        ],
    }
    file = folder / f"test-{cause}.yml"
    file.write_text(yaml.safe_dump(tests))
    promtool("test", "rules", file)


def test_there_is_an_alert_for_each_cause_of_the_watch_and_no_other(written):
    rules = yaml.safe_load((written / "rules.yml").read_text())["groups"][0]["rules"]
    assert {rule["labels"]["cause"] for rule in rules} == CAUSES.keys()
    promtool("check", "rules", written / "rules.yml")


@pytest.mark.parametrize("cause", CAUSES)
def test_what_the_watch_finds_is_an_alert_until_it_is_over(written, cause):
    subject = f"{cause} of something"
    there = series("ctlv_cause", "_x2 1x5 stale", cause=cause, **subject_of("web", subject))
    # Of another environment, whose rules are its own.
    other = subject_of("web", subject) | {"environment": "staging"}
    elsewhere = series("ctlv_cause", "1x20", cause=cause, **other)
    # Of a host that is silent, another one says so, and that it does itself lasts a minute.
    first = "2m" if cause == "silent" else "1m"
    expected = {"20s": [], first: [alert(cause, "web", subject)], "4m": []}
    judged(written, cause, [there, elsewhere], expected)


@pytest.mark.parametrize(
    ("job", "name", "values"),
    [
        ("ctlv-mariadb", "up", "1x5 0x20"),
        ("ctlv-host", "ctlv_watch_at_seconds", "0+20x5 100x20"),
    ],
    ids=["does not answer", "its watch stands still"],
)
def test_a_host_that_says_nothing_is_an_alert(written, job, name, values):
    labels = {"environment": "lab", "instance": "database", "job": job}
    told = {
        "exp_labels": {"cause": "silent"} | labels,
        "exp_annotations": {"summary": f"database: {job}", "next": CAUSES["silent"]},
    }
    expected = {"1m40s": [], "6m": [told]}
    judged(written, "silent", [series(name, values, **labels)], expected)


def queries() -> list[str]:
    asked = [target["expr"] for panel in board()["panels"] for target in panel["targets"]]
    return [expression.replace("$environment", "lab") for expression in asked]


class Exporter(http.server.BaseHTTPRequestHandler):
    """Stands for the exporters: a path is a job."""

    asked = 0

    def do_GET(self):
        page = PAGES[self.path.strip("/").split("/")[0]]
        Exporter.asked += 1
        # Counters move.
        page = re.sub(r"(_total\S*|_questions) \d+", rf"\1 {Exporter.asked}", page)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(page.replace("NOW", str(int(time.time()))).encode())

    def log_message(self, *_):
        pass


class Prometheus:
    """Of this machine, with what was written as it stands but for addresses and the pace."""

    def __init__(self, folder: Path, written: Path, served: dict[str, str]) -> None:
        self.address = f"http://127.0.0.1:{free_port()}"
        settings = yaml.safe_load((written / "scrape.yml").read_text())
        for job in settings["scrape_configs"]:
            job["scrape_interval"] = "1s"
            for entry in job["static_configs"]:
                name = entry["labels"]["job"]
                entry["targets"] = [served[name]]
                if name != "ctlv-agenda":
                    job["metrics_path"] = f"/{name}/metrics"
        settings["rule_files"] = [str(written / "rules.yml")]
        settings["global"] = {"evaluation_interval": "1s"}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        promtool("check", "config", folder / "prometheus.yml")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *("prometheus", f"--config.file={folder}/prometheus.yml"),
                    *(f"--storage.tsdb.path={folder}/data", "--log.level=warn"),
                    f"--web.listen-address={self.address.removeprefix('http://')}",
                ],
                stdout=log,
                stderr=log,
            )

    def ask(self, path: str, **asked: str) -> dict:
        query = urllib.parse.urlencode(asked)
        with urllib.request.urlopen(f"{self.address}/api/v1/{path}?{query}", timeout=5) as answer:
            return json.loads(answer.read())["data"]

    def end(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)


def within(seconds: float, is_so) -> None:
    limit = time.monotonic() + seconds
    while True:
        try:
            wrong = is_so()
        except OSError as error:
            wrong = error
        if not wrong:
            return
        assert time.monotonic() < limit, wrong
        time.sleep(0.2)


@pytest.mark.xdist_group("metrics")
def test_a_prometheus_asks_all_of_them_and_the_board_has_something_to_draw(tmp_path, written):
    (tmp_path / "figures").mkdir()
    agenda = ServedAgenda(environment={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "figures")})
    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=exporter.serve_forever, args=(0.05,), daemon=True).start()
    with ExitStack() as ends:
        ends.callback(exporter.server_close)
        ends.callback(exporter.shutdown)
        ends.callback(agenda.stop)
        agenda.start()
        served = dict.fromkeys(metrics.JOBS, f"127.0.0.1:{exporter.server_port}")
        served["ctlv-agenda"] = agenda.address.removeprefix("http://")
        prometheus = Prometheus(tmp_path, written, served)
        ends.callback(prometheus.end)

        def are_up() -> object:
            targets = prometheus.ask("targets")["activeTargets"]
            down = {
                each["scrapeUrl"]: each["lastError"] for each in targets if each["health"] != "up"
            }
            return down or not targets

        def draw() -> object:
            asked = {each: prometheus.ask("query", query=each)["result"] for each in queries()}
            return [each for each, result in asked.items() if not result]

        def tell_of_the_web() -> object:
            """Each host is asked when its turn comes, and judged after."""
            alerts = prometheus.ask("alerts")["alerts"]
            named = {each["labels"]["instance"] for each in alerts}
            return named if "ct-tpgei-ctlv-B11-serverDjango" not in named else None

        within(READY_LIMIT_S, are_up)
        within(READY_LIMIT_S, draw)
        within(READY_LIMIT_S, tell_of_the_web)
        alerts = prometheus.ask("alerts")["alerts"]
        assert {(a["labels"]["alertname"], a["state"]) for a in alerts} == {("CtlvDisk", "firing")}


def test_the_verb_says_what_it_wrote_or_why_not():
    done = subprocess.run(
        [sys.executable, "-m", "rollout.metrics", "--env", "lab"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("metrics: metrics_scrapers of lab is empty")
    assert "inventory/lab/group_vars/all/metrics.yml" in done.stderr
