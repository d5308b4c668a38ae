"""Web and REST server live apart: each is stopped in turn, and the other must not notice.

With the REST container stopped, people work with the agenda as before, and a program that asks the
web for /api/v1 gets a problem document that says when to try again. With the web container
stopped, a program with a token goes on at the REST server's own address. With a certificate that
our own authority did not sign, the REST server gets nothing from the web.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills.cluster import Cluster, on, waited
from tests.drills.consent import add_arguments, ask
from tests.drills.load import Client, uuid7
from tests.infra.evidence import MANAGE
from tests.infra.remote import Connections, RemoteError
from tests.infra.site import Host, Site, read_site

BACK_WITHIN_S = 90
# nginx waits 2 s for a container that is not there; a reader must not wait much longer.
SAID_WITHIN_S = 6.0
PROBLEM = "application/problem+json"
UNAVAILABLE = "/api/v1/docs#problem-unavailable"
# For the right name, and by nobody whom the web knows.
STRANGE = """cd /etc/ctlv/tls && mkdir -m 700 /run/kept && cp -a host.pem host.key /run/kept &&
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=strange \
  -addext subjectAltName=DNS:rest.{environment}.ctlv.internal -keyout host.key -out host.pem &&
systemctl reload nginx"""
OWN = "cp -a /run/kept/host.* /etc/ctlv/tls/ && rm -r /run/kept && systemctl reload nginx"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


def get(url: str, token: str = "") -> Answer:
    """Status 0 when nobody answers at all."""
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            status, headers, body = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        status, headers, body = error.code, error.headers, error.read()
    except (urllib.error.URLError, OSError):
        return Answer(0, {}, b"", time.monotonic() - began)
    named = {name.lower(): value for name, value in headers.items()}
    return Answer(status, named, body, time.monotonic() - began)


def answers(url: str, token: str = "", *, status: int = 200) -> Callable[[], bool]:
    return lambda: get(url, token).status == status


def demand(condition: bool, what: str) -> None:
    if not condition:
        raise OperatorError(what, "read the logs of nginx and of the agenda on both containers")


@contextmanager
def stopped(cluster: Cluster, host: Host, back: Callable[[], bool]) -> Iterator[None]:
    """`host` is stopped inside the block, and started and waited for in any case."""
    cluster.stop(host)
    print(f"  {host.name} is stopped", flush=True)
    try:
        yield
    finally:
        cluster.start(host)
        seconds = waited(back, what=f"{host.name} to answer again", limit_s=BACK_WITHIN_S)
        print(f"  {host.name} answers again after {seconds:.0f} s", flush=True)


def without_rest(cluster: Cluster, rest: Host, account: dict[str, str]) -> None:
    site = cluster.site
    through_web = f"{site.root_of(site.of('web')[0])}/api/v1/health"
    person = Client(site.url, account)
    with stopped(cluster, rest, answers(through_web)):
        task = uuid7()
        for failure in (person.adds(task), person.reads(task)):
            demand(not failure, f"the agenda failed while {rest.name} was stopped: {failure}")
        said = get(through_web)
        demand(said.status == 503, f"/api/v1 through the web answered {said.status}, not 503")
        demand(said.headers.get("content-type") == PROBLEM, f"not a problem: {said.headers}")
        demand("retry-after" in said.headers, "no Retry-After")
        demand(json.loads(said.body)["type"] == UNAVAILABLE, f"said {said.body!r}")
        demand(said.seconds < SAID_WITHIN_S, f"said only after {said.seconds:.1f} s")
        print(f"  the agenda worked; /api/v1 said 503 after {said.seconds:.1f} s", flush=True)


def with_a_strange_certificate(site: Site, rest: Host) -> None:
    through_web = f"{site.root_of(site.of('web')[0])}/api/v1/health"
    refused, known = answers(through_web, status=503), answers(through_web)
    try:
        on(site, rest, ["sh", "-c", STRANGE.format(environment=site.environment)])
        waited(refused, what=f"the web to refuse {rest.name}", limit_s=SAID_WITHIN_S)
    finally:
        on(site, rest, ["sh", "-c", OWN])
    waited(known, what=f"the web to know {rest.name} again", limit_s=SAID_WITHIN_S)
    print("  a REST server that our authority did not sign got nothing from the web", flush=True)


def without_web(cluster: Cluster, web: Host, rest: Host, token: str) -> None:
    site = cluster.site
    tasks = f"{site.root_of(rest)}/api/v1/tasks"
    demand(get(tasks, token).status == 200, f"{tasks} does not take the probe's token")
    with stopped(cluster, web, answers(site.url)):
        listed = get(tasks, token)
        demand(listed.status == 200, f"{tasks} answered {listed.status} without the web")
        demand(len(json.loads(listed.body)["items"]) > 0, "the task of a moment ago is not listed")
        demand(get(site.url).status != 200, f"{web.name} still answers: nothing was proved")
        print("  the API worked at its own address", flush=True)


def run(site: Site) -> None:
    web, rest = site.of("web")[0], site.of("rest")[0]
    cluster = Cluster(site)
    connections = Connections(site)
    place = connections.place(web.name)
    account = json.loads(place.run([MANAGE, "agenda_probe", "create", "--purpose=drill"]).stdout)
    token, words = account.pop("token"), account.pop("remove")
    try:
        without_rest(cluster, rest, account)
        without_web(cluster, web, rest, token)
        with_a_strange_certificate(site, rest)
    finally:
        connections.close()  # the connection to the web did not outlive the container
        connections = Connections(site)
        again = connections.place(web.name)
        again.run([MANAGE, "agenda_probe", *words])
        connections.close()


def main() -> int:
    parser = Parser(prog="python -m tests.drills.rest", description=__doc__)
    add_arguments(parser)
    given = parser.parse()
    began = time.monotonic()
    try:
        site = read_site(given.env)
        if not site.of("rest"):
            raise OperatorError(
                f"there is no REST server in inventory/{given.env}",
                f"rename inventory/{given.env}/hosts-rest.yml.txt to hosts-rest.yml to have one",
            )
        ask(given, drill="drill-rest", what="stops the REST server, then the web container")
        run(site)
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"drill-rest {given.env}: each works without the other, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
