"""What the inventory declares, as verify and the drills need it. Read once, by `ansible-inventory`.

Its answer holds the vault in clear: only the names in `_KEPT` leave `_ask`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, ip_interface, ip_network
from pathlib import Path
from typing import Any

from cryptography import x509

from provision.environment import ROOT, known, state_folder
from provision.errors import OperatorError

_KEPT = (
    "lxc_vmid",
    "lxc_nics",
    "lxc_networks",
    "lxc_node",
    "ansible_host",
    "base_open_ports",
    "ctlv_environment",
    "ctlv_deployment_id",
    "verify_vantage",
    "agenda_tls",
    "certificate_site_file",
)


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

    def declared(self, network: str) -> set[int]:
        return {port.port for port in self.open_ports if port.network == network}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    environment: str
    deployment_id: str
    state: Path
    hosts: tuple[Host, ...]
    networks: Mapping[str, IPv4Network]
    vantage: str
    tls: str
    # With tls == "files": the certificate with its chain, PEM.
    certificate: str = ""
    lab: Mapping[str, Any] = field(repr=False)

    def of(self, group: str) -> tuple[Host, ...]:
        return tuple(host for host in self.hosts if group in host.groups)

    def host(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    @property
    def url(self) -> str:
        """Where a person finds the agenda from here."""
        return f"{self.root_of(self.of('web')[0])}/agenda"

    def root_of(self, host: Host) -> str:
        """Where a host is reached from here: in the lab, by the loopback forward."""
        address, port = host.addresses["campus"], 80 if self.tls == "off" else 443
        forwards = self.lab.get("forwards", {}).items()
        ours = [f"127.0.0.1:{here}" for here, target in forwards if target == f"{address}:{port}"]
        scheme = "http" if self.tls == "off" else "https"
        return f"{scheme}://{ours[0] if ours else address}"

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
    return site_from(_ask(environment), environment=environment, state=state, lab=lab)


def _read_lab(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise OperatorError(f"{file} cannot be read: {error}", "run `make up`") from error


def _ask(environment: str) -> dict[str, Any]:
    inventory = ROOT / "inventory" / environment
    if not inventory.is_dir():
        raise OperatorError(
            f"no inventory/{environment}", f"give ENV= one of: {', '.join(known())}"
        )
    ended = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(inventory), "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ended.returncode != 0:
        raise OperatorError(
            f"inventory/{environment} cannot be read: {ended.stderr.strip()[-400:]}",
            f"run `ansible-inventory -i inventory/{environment} --graph`",
        )
    listing = json.loads(ended.stdout)
    variables = {
        host: {name: values[name] for name in _KEPT if name in values}
        for host, values in listing["_meta"]["hostvars"].items()
    }
    groups = {
        name: {"hosts": group.get("hosts", []), "children": group.get("children", [])}
        for name, group in listing.items()
        if name != "_meta"
    }
    return {"hosts": variables, "groups": groups}


def site_from(
    listing: Mapping[str, Any], *, environment: str, state: Path, lab: Mapping[str, Any]
) -> Site:
    """Pure. Raises OperatorError for what verify cannot do without."""
    names = sorted(_members("containers", listing["groups"]))
    if not names:
        raise OperatorError(
            f"inventory/{environment} has no host in the group containers", "add one to hosts.yml"
        )
    missing = [
        f"{name}: {key}"
        for name in names
        for key in ("lxc_vmid", "lxc_nics", "lxc_networks", "base_open_ports")
        if key not in listing["hosts"].get(name, {})
    ]
    if missing:
        raise OperatorError(
            f"inventory/{environment} does not say {', '.join(missing)}",
            f"add it below inventory/{environment}/group_vars or host_vars, as literals",
        )
    hosts = tuple(_host(name, listing) for name in names)
    common = listing["hosts"][names[0]]
    tls = str(common.get("agenda_tls") or "off")
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
    )


def _certificate(common: Mapping[str, Any]) -> str:
    file = Path(str(common.get("certificate_site_file", "")))
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise OperatorError(
            f"the certificate that serves, certificate_site_file, cannot be read: {file}: "
            f"{error.strerror}",
            "name it in group_vars/all/tls.yml as a literal path",
        ) from error


def _members(group: str, groups: Mapping[str, Any]) -> set[str]:
    own = groups.get(group, {"hosts": [], "children": []})
    return set(own["hosts"]).union(*(_members(child, groups) for child in own["children"]))


def _host(name: str, listing: Mapping[str, Any]) -> Host:
    values = listing["hosts"][name]
    return Host(
        name=name,
        vmid=int(values["lxc_vmid"]),
        node=str(values.get("lxc_node", "")),
        groups=frozenset(g for g in listing["groups"] if name in _members(g, listing["groups"])),
        addresses={
            nic["network"]: str(ip_interface(nic["address"]).ip) for nic in values["lxc_nics"]
        },
        open_ports=tuple(
            OpenPort(network=entry["network"], port=entry["port"])
            for entry in values["base_open_ports"]
            # As role base decides.
            if entry.get("only_with") is None or (values.get("agenda_tls") or "off") != "off"
        ),
    )
