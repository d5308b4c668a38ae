"""What the inventory declares, as verify and the drills need it. Read once, by provision's door."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import IPv4Network, ip_interface, ip_network
from pathlib import Path
from typing import Any

from cryptography import x509

from provision import credentials
from provision.actual import read
from provision.desired import SERVICES, Desired, desired
from provision.environment import ROOT, state_folder
from provision.errors import OperatorError
from provision.inventory import Inventory, load
from provision.model import Actual
from provision.proxmox import Proxmox

API_RETRY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPort:
    """One TCP port that may answer on one network."""

    network: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    name: str
    vmid: int
    node: str
    groups: frozenset[str]
    addresses: Mapping[str, str]
    open_ports: tuple[OpenPort, ...]
    admin_networks: tuple[str, ...] = ()

    def declared(self, network: str) -> set[int]:
        return {port.port for port in self.open_ports if port.network == network}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    environment: str
    deployment_id: str
    state: Path
    # Who is asked, and who is not (SKIP): the others know both.
    hosts: tuple[Host, ...]
    left_out: tuple[Host, ...] = ()
    # Who is left out lives, and serves another release.
    is_canary: bool = False
    networks: Mapping[str, IPv4Network]
    vantage: str
    tls: str
    # With tls == "files": the certificate with its chain, PEM.
    certificate: str = ""
    lab: Mapping[str, Any] = field(repr=False)
    # By group, what people ask for and edges hold; empty without edges.
    published: Mapping[str, str] = field(default_factory=dict)
    # Who may read figures; nobody where nothing is told.
    scrapers: tuple[str, ...] = ()

    def of(self, group: str) -> tuple[Host, ...]:
        return tuple(host for host in self.hosts if group in host.groups)

    @property
    def answering_the_api(self) -> tuple[Host, ...]:
        """Not the web hosts where a canary's hand it on to REST servers of another release too."""
        is_mixed = self.is_canary and any("rest" in host.groups for host in self.left_out)
        return (*(() if is_mixed else self.of("web")), *self.of("rest"))

    def addresses_of(self, group: str) -> list[str]:
        """On the private network: of all that the inventory has, also those left out."""
        hosts = [host for host in (*self.hosts, *self.left_out) if group in host.groups]
        return [host.addresses["private"] for host in hosts]

    def host(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    @property
    def url(self) -> str:
        """Where a person finds the agenda from here."""
        return f"{self.root_of(self.of('web')[0])}/agenda"

    def root_of(self, host: Host) -> str:
        """Where people reach what a host serves: in the lab, by the loopback forward."""
        published = [self.published[group] for group in host.groups if group in self.published]
        address = next(iter(published), host.addresses["campus"])
        port = 80 if self.tls == "off" else 443
        forwards = self.lab.get("forwards", {}).items()
        ours = [f"127.0.0.1:{here}" for here, target in forwards if target == f"{address}:{port}"]
        scheme = "http" if self.tls == "off" else "https"
        return f"{scheme}://{ours[0] if ours else address}"

    @property
    def doors(self) -> tuple[Host, ...]:
        """Each edge at its own address, and whichever holds them at those that are published."""
        edges = self.of("edge")
        virtual = (
            replace(edges[0], name=f"published-{group}", addresses={"campus": address})
            for group, address in self.published.items()
        )
        return (*edges, *virtual) if edges else ()

    def server(self, web: Host) -> dict[str, Any]:
        """How `web` is asked from the campus. `ca`: whom its certificate must be signed by, or
        itself; `name`: what it must be for.
        """
        address = web.addresses["campus"]
        if self.tls == "off":
            return {"address": address, "port": 80, "host": address, "ca": ""}
        server = {"address": address, "port": 443, "host": address, "name": address}
        if self.tls == "internal":
            return {**server, "ca": (self.state / "tls/ca.pem").read_text("utf-8")}
        return {**server, "ca": self.certificate, "name": name_in(self.certificate, address)}

    @property
    def ssh_config(self) -> Path:
        return self.state / "ssh_config"


def read_cluster(environment: str) -> tuple[Desired, Actual]:
    """What the inventory wants, and what the API shows. Raises OperatorError."""
    wants = desired(load(environment, root=ROOT))
    access = credentials.endpoint(wants, credentials.site(environment, root=ROOT))
    return wants, read(Proxmox(access, retry_for_s=API_RETRY_S), wants)


def several(site: Site) -> list[str]:
    """The services that more than one container does, those left out counted."""
    hosts = (*site.hosts, *site.left_out)
    return [group for group in SERVICES if sum(group in host.groups for host in hosts) > 1]


def name_in(certificate: str, address: str) -> str:
    """What a certificate (PEM, the server's first) is for: the address, or a name that fits."""
    leaf = x509.load_pem_x509_certificates(certificate.encode())[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if address in map(str, names.get_values_for_type(x509.IPAddress)):
        return address
    return next(iter(names.get_values_for_type(x509.DNSName)), address).replace("*", "agenda", 1)


@lru_cache(maxsize=1)
def read_site(environment: str) -> Site:
    """Raises OperatorError when the inventory or the state folder is not there."""
    state = state_folder(environment)
    if not (state / "ssh_config").is_file():
        raise OperatorError(
            f"nothing is provisioned for ENV={environment}: {state}/ssh_config is missing",
            f"run `make up ENV={environment}`",
        )
    lab_file = state / "lab.json"
    if environment == "lab" and not lab_file.is_file():
        raise OperatorError(f"the lab is not up: {lab_file} is missing", "run `make up`")
    lab = _read_lab(lab_file) if environment == "lab" else {}
    site = site_from(load(environment, root=ROOT), state=state, lab=lab)
    names = os.environ.get("CTLV_VERIFY_SKIP", "").split()
    return replace(
        site,
        hosts=tuple(host for host in site.hosts if host.name not in names),
        left_out=tuple(host for host in site.hosts if host.name in names),
        is_canary=bool(os.environ.get("CTLV_VERIFY_CANARY")),
    )


def _read_lab(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise OperatorError(f"{file} cannot be read: {error}", "run `make up`") from error


def site_from(inventory: Inventory, *, state: Path, lab: Mapping[str, Any]) -> Site:
    """Pure. Raises OperatorError for what verify cannot do without."""
    environment, names = inventory.environment, sorted(inventory.hosts)
    missing = [
        f"{name}: {key}"
        for name in names
        for key in ("lxc_vmid", "lxc_nics", "lxc_networks", "base_open_ports")
        if key not in inventory.hosts[name]
    ]
    if missing:
        raise OperatorError(
            f"inventory/{environment} does not say {', '.join(missing)}",
            f"add it below inventory/{environment}/group_vars or host_vars, as literals",
        )
    hosts = tuple(_host(name, inventory) for name in names)
    common = inventory.hosts[names[0]]
    tls = str(common.get("agenda_tls") or "off")
    edges = inventory.groups.get("edge", ())
    published = inventory.hosts[edges[0]].get("published_addresses", {}) if edges else {}
    return Site(
        environment=environment,
        deployment_id=str(common.get("ctlv_deployment_id", "")),
        state=state,
        hosts=hosts,
        networks={
            name: IPv4Network(ip_network(network["subnet"]))
            for name, network in common["lxc_networks"].items()
        },
        vantage=str(common.get("verify_vantage") or ""),
        tls=tls,
        certificate=_certificate(common) if tls == "files" else "",
        lab=lab,
        scrapers=tuple(common.get("metrics_scrapers") or ()),
        published={
            group: address for group, address in published.items() if inventory.groups.get(group)
        },
    )


def _certificate(common: Mapping[str, Any]) -> str:
    file = Path(str(common.get("tls_site_file", "")))
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise OperatorError(
            f"the certificate that serves, tls_site_file, cannot be read: {file}: {error.strerror}",
            "name it in group_vars/all/tls.yml as a literal path",
        ) from error


def there_is(inventory: Inventory, values: Mapping[str, Any]) -> list[str]:
    """Of the words that `only_with` names; as group_vars/all/tls.yml says it to role base."""
    tls = ["tls"] if (values.get("agenda_tls") or "off") != "off" else []
    galera = ["galera"] if len(inventory.groups.get("database", ())) == 3 else []
    return tls + galera + (["metrics"] if values.get("metrics_scrapers") else [])


def _host(name: str, inventory: Inventory) -> Host:
    values = inventory.hosts[name]
    return Host(
        name=name,
        vmid=int(values["lxc_vmid"]),
        node=str(values.get("lxc_node", "")),
        groups=frozenset(group for group, hosts in inventory.groups.items() if name in hosts),
        addresses={
            nic["network"]: str(ip_interface(nic["address"]).ip) for nic in values["lxc_nics"]
        },
        open_ports=tuple(
            OpenPort(network=entry["network"], port=entry["port"])
            for entry in values["base_open_ports"]
            # As role base decides.
            if entry.get("only_with") in (None, *there_is(inventory, values))
        ),
        admin_networks=tuple(values.get("agenda_admin_networks") or ()),
    )
