"""The board that `make metrics` writes for Grafana: which figures stand where."""

from __future__ import annotations

from typing import Any

PROMETHEUS = {"type": "prometheus", "uid": "$source"}
WIDTH = 24
# Of a table: Prometheus's own columns, which say nothing here.
HIDDEN = ("Time", "__name__", "job", "environment", "Value")

Panel = dict[str, Any]


def panel(title: str, *queries: tuple[str, str], kind: str, width: int, height: int) -> Panel:
    """Queries are PromQL and what they are called; HERE stands for the environment's label."""
    return {
        "type": kind,
        "title": title,
        "gridPos": {"w": width, "h": height},
        "datasource": PROMETHEUS,
        "fieldConfig": {"defaults": {"unit": "short"}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "expr": asked.replace("HERE", 'environment="$environment"'),
                "legendFormat": legend,
            }
            for number, (asked, legend) in enumerate(queries)
        ],
    }


def graph(
    title: str, *queries: tuple[str, str], width: int, unit: str = "short", **limits: int
) -> Panel:
    made = panel(title, *queries, kind="timeseries", width=width, height=8)
    made["fieldConfig"]["defaults"] = {"unit": unit, **limits}
    return made


def table(title: str, asked: str, *, width: int, hidden: tuple[str, ...] = ()) -> Panel:
    made = panel(title, (asked, ""), kind="table", width=width, height=7)
    made["targets"][0] |= {"format": "table", "instant": True}
    columns = dict.fromkeys((*HIDDEN, *hidden), True)
    made["transformations"] = [{"id": "organize", "options": {"excludeByName": columns}}]
    return made


# In rows from left to right, as they fit.
PANELS = (
    table("What is wrong (role watch judges)", "ctlv_cause{HERE}", width=12, hidden=("cause",)),
    panel(
        "Hosts and services that answer",
        ('sum(up{HERE,job=~"ctlv-.+"})', "up"),
        ('count(up{HERE,job=~"ctlv-.+"})', "of"),
        kind="stat",
        width=6,
        height=7,
    ),
    table("Which release serves", "agenda_release_info{HERE}", width=6),
    graph(
        "Requests a second, by status",
        ("sum by (status) (rate(agenda_request_seconds_count{HERE}[2m]))", "{{status}}"),
        width=12,
        unit="reqps",
    ),
    graph(
        "95 % of requests are faster (the eight slowest routes)",
        (
            "topk(8, histogram_quantile(0.95,"
            " sum by (le, route) (rate(agenda_request_seconds_bucket{HERE}[5m]))))",
            "{{route}}",
        ),
        width=12,
        unit="s",
    ),
    graph(
        "Busiest routes",
        ("topk(8, sum by (route) (rate(agenda_request_seconds_count{HERE}[2m])))", "{{route}}"),
        width=12,
        unit="reqps",
    ),
    graph(
        "How far erasing lags",
        ("max(agenda_forgetting_lag_seconds{HERE})", "oldest"),
        width=12,
        unit="s",
    ),
    graph(
        "Processor",
        (
            '1 - avg by (instance) (rate(node_cpu_seconds_total{HERE,mode="idle"}[2m]))',
            "{{instance}}",
        ),
        width=8,
        unit="percentunit",
    ),
    graph(
        "Memory",
        (
            "1 - node_memory_MemAvailable_bytes{HERE} / node_memory_MemTotal_bytes{HERE}",
            "{{instance}}",
        ),
        width=8,
        unit="percentunit",
    ),
    graph(
        "Disk",
        (
            '1 - node_filesystem_avail_bytes{HERE,mountpoint="/"}'
            ' / node_filesystem_size_bytes{HERE,mountpoint="/"}',
            "{{instance}}",
        ),
        width=8,
        unit="percentunit",
        min=0,
        max=1,
    ),
    graph(
        "MariaDB",
        ("rate(mysql_global_status_questions{HERE}[2m])", "questions a second"),
        ("mysql_global_status_threads_connected{HERE}", "connections"),
        width=8,
    ),
    graph(
        "nginx",
        ("rate(nginx_http_requests_total{HERE}[2m])", "{{instance}} requests a second"),
        ("nginx_connections_active{HERE}", "{{instance}} connections"),
        width=8,
    ),
    graph(
        "HAProxy, where there are edges",
        (
            "rate(haproxy_frontend_http_requests_total{HERE}[2m])",
            "{{instance}} {{proxy}} requests a second",
        ),
        (
            'sum by (instance, proxy) (haproxy_server_status{HERE,state="UP"})',
            "{{instance}} {{proxy}} hosts behind",
        ),
        width=8,
    ),
)


def board() -> dict[str, Any]:
    """As Grafana imports it (schema 39)."""
    x = y = 0
    panels = []
    for number, each in enumerate(PANELS, start=1):
        size = each["gridPos"]
        panels.append({**each, "id": number, "gridPos": {**size, "x": x, "y": y}})
        x += size["w"]
        if x == WIDTH:
            x, y = 0, y + size["h"]
    environment = 'label_values(up{job="ctlv-host"}, environment)'
    return {
        "title": "CTLV agenda",
        "uid": "ctlv-agenda",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "tags": ["ctlv"],
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                },
                {
                    "name": "environment",
                    "label": "Environment",
                    "type": "query",
                    "datasource": PROMETHEUS,
                    "query": {"query": environment, "refId": "environment"},
                    "refresh": 2,
                },
            ]
        },
        "panels": panels,
    }
