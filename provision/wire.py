"""Proxmox's spelling and ours, both ways. Pure: `parse(render(x)) == x`, and nothing is sent here.

Where the knowledge comes from: pve-container src/PVE/LXC/Config.pm (property strings, defaults) and
pve-common src/PVE/JSONSchema.pm (sizes, booleans, startup).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from provision.model import Container, Disk, Found, Mark, Mount, Nic, Pending, Wanted

Props = dict[str, str]
Config = Mapping[str, Any]

UNIT_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
GIB = UNIT_BYTES["G"]
SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)", re.IGNORECASE)
MARK_BLOCK = re.compile(r"```ctlv\n(?P<lines>.*?)```", re.DOTALL)
# A value that says the same as leaving the key out.
NIC_DEFAULTS = {"type": "veth", "ip": "manual", "ip6": "manual", "link_down": "0", "firewall": "0",
                "host-managed": "0"}  # fmt: skip
NIC_FLAGS = frozenset({"firewall", "link_down", "host-managed"})
MOUNT_DEFAULTS = {
    "backup": "0",
    "ro": "0",
    "quota": "0",
    "acl": "0",
    "shared": "0",
    "replicate": "1",
    "keepattrs": "0",
}
# What the inventory steers, and what is no setting.
MANAGED = re.compile(
    r"(net|mp)\d+|cores|description|features|hostname|memory|nameserver|onboot|protection|rootfs|"
    r"searchdomain|startup|swap|tags|unprivileged|digest|lock|ostype|parent|template"
)
# Of cpuunits, cgroup 2's default and cgroup 1's.
DEFAULTS = {"arch": {"amd64"}, "cmode": {"tty"}, "console": {"1"}, "cpulimit": {"0"},
            "cpuunits": {"100", "1024"}, "debug": {"0"}, "tty": {"2"}}  # fmt: skip
SSH_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


# ---------------------------------------------------------------- property strings


def parse_props(text: str) -> tuple[str | None, Props]:
    """Return the bare first value, if there is one, and the `key=value` pairs."""
    first: str | None = None
    props: Props = {}
    for position, part in enumerate(text.split(",")):
        key, equals, value = part.partition("=")
        if equals:
            props[key] = value
        elif position == 0 and part:
            first = part
    return first, props


def render_props(props: Mapping[str, str], *, first: str | None = None) -> str:
    pairs = [f"{key}={value}" for key, value in props.items()]
    return ",".join(([first] if first is not None else []) + pairs)


def parse_bool(value: object) -> bool:
    """Proxmox's booleans: 1, "1", "on", "yes", "true"; everything else, and nothing, is false."""
    return str(value).strip().lower() in {"1", "on", "yes", "true"}


def render_bool(value: bool) -> int:
    """A form field: "True" is refused by the server, 1 is not."""
    return 1 if value else 0


def parse_size(text: str) -> int:
    """Bytes in "8G", "2560M", "512" (bytes). Raises ValueError for anything else."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a size: {text!r}")
    return round(float(match[1]) * UNIT_BYTES[match[2].upper()])


def render_size(size_bytes: int) -> str:
    """The largest unit that divides it, as Proxmox writes sizes back."""
    for unit in "TGMK":
        if size_bytes and size_bytes % UNIT_BYTES[unit] == 0:
            return f"{size_bytes // UNIT_BYTES[unit]}{unit}"
    return str(size_bytes)


def render_gib(size_bytes: int) -> str:
    """The bare number of GiB that allocates a volume: "8", "0.5"; no unit is allowed there."""
    # Whole MiB are exact in ten decimals; fewer would allocate another size than was asked for.
    return f"{size_bytes / GIB:.10f}".rstrip("0").rstrip(".")


def canonical_interface(text: str) -> str:
    """An address with its prefix, in one spelling; "dhcp" and the like as they are."""
    try:
        return str(ipaddress.ip_interface(text))
    except ValueError:
        return text


# ---------------------------------------------------------------- netN


def parse_nic(key: str, text: str) -> Nic:
    _, props = parse_props(text)
    for flag in NIC_FLAGS & props.keys():
        props[flag] = str(render_bool(parse_bool(props[flag])))
    props = {name: value for name, value in props.items() if NIC_DEFAULTS.get(name) != value}
    tag, mtu, ip, hwaddr = (props.pop(name, None) for name in ("tag", "mtu", "ip", "hwaddr"))
    return Nic(
        key=key,
        name=props.pop("name", ""),
        bridge=props.pop("bridge", None),
        tag=int(tag) if tag else None,
        ip=canonical_interface(ip) if ip else None,
        gateway=props.pop("gw", None),
        mtu=int(mtu) if mtu else None,
        firewall=props.pop("firewall", "0") == "1",
        hwaddr=hwaddr.upper() if hwaddr else None,
        other=tuple(sorted(props.items())),
    )


def render_nic(nic: Nic) -> str:
    wanted = {
        "bridge": nic.bridge,
        "firewall": "1" if nic.firewall else None,
        "gw": nic.gateway,
        "hwaddr": nic.hwaddr,
        "ip": nic.ip,
        "mtu": nic.mtu,
        "tag": nic.tag,
        **dict(nic.other),
    }
    options = {key: str(value) for key, value in sorted(wanted.items()) if value is not None}
    return render_props({"name": nic.name, **options})


def network_paths(nic: Nic, wanted: Wanted) -> tuple[str, ...]:
    """Where SDN.Use is asked for a NIC (pve-guest-common GuestHelpers.pm, check_vnet_access).

    No call that our token may make tells the zone of a vnet: the inventory does, of its own. Any
    other bridge is taken for one of the node's.
    """
    if nic.bridge is None:
        return ()
    is_ours = nic.bridge in {own.bridge for own in wanted.container.nics}
    zone = wanted.sdn_zone if is_ours else "localnetwork"
    bridge = f"/sdn/zones/{zone}/{nic.bridge}"
    # Of each range of trunks its ends: thousands of questions would tell no more.
    tags = re.findall(r"\d+", f"{nic.tag or ''};{dict(nic.other).get('trunks', '')}")
    return tuple(f"{bridge}/{tag}" for tag in tags) or (bridge,)


# ---------------------------------------------------------------- rootfs and mpN


def storage_of(volume: str) -> str:
    """The storage of "local-lvm:vm-100-disk-0"; empty for a bind mount or a device."""
    storage, colon, _ = volume.partition(":")
    return storage if colon else ""


def parse_disk(text: str) -> Disk:
    """Without a size Proxmox counts 4 GiB (pve-container API2/LXC.pm, resize)."""
    first, props = parse_props(text)
    volume = first or props.get("volume", "")
    return Disk(
        storage=storage_of(volume), size_bytes=parse_size(props.get("size", "4G")), volume=volume
    )


def render_new_disk(disk: Disk) -> str:
    """What allocates the root file system at creation. Never to be sent later: it bricks the CT."""
    return f"{disk.storage}:{render_gib(disk.size_bytes)}"


def parse_mount(key: str, text: str) -> Mount:
    first, props = parse_props(text)
    volume = first or props.pop("volume", "")
    props = {name: value for name, value in props.items() if MOUNT_DEFAULTS.get(name) != value}
    return Mount(
        key=key,
        path=props.pop("mp", ""),
        storage=storage_of(volume),
        size_bytes=parse_size(props.pop("size", "0")),
        backup_enabled=parse_bool(props.pop("backup", "0")),
        volume=volume,
        other=tuple(sorted(props.items())),
    )


def render_mount(mount: Mount) -> str:
    """A new volume when `mount.volume` is None, else the same volume with other options.

    In Proxmox's own order (JSONSchema.pm, print_property_string): it compares strings, and what
    differs from the present in its order alone would wait for a restart.
    """
    props = dict(mount.other)
    if mount.volume is not None and mount.size_bytes:
        props["size"] = render_size(mount.size_bytes)
    if mount.backup_enabled:
        props["backup"] = "1"
    first = mount.volume or f"{mount.storage}:{render_gib(mount.size_bytes)}"
    return render_props({"mp": mount.path, **dict(sorted(props.items()))}, first=first)


# ---------------------------------------------------------------- small keys


def parse_features(text: str) -> tuple[tuple[str, str], ...]:
    """Switched-off features are left out: off is the default of each."""
    _, props = parse_props(text)
    on = {key: "1" if parse_bool(value) else value for key, value in props.items()}
    return tuple(
        sorted((key, value) for key, value in on.items() if value not in {"0", "off", "false"})
    )


def render_features(features: Sequence[tuple[str, str]]) -> str:
    return render_props(dict(sorted(features)))


def parse_tags(text: str) -> tuple[str, ...]:
    """Proxmox sorts, lower-cases and joins them with ";", and takes "," and blanks as well."""
    return tuple(sorted({tag.lower() for tag in re.split(r"[;, ]+", text) if tag}))


def render_tags(tags: Sequence[str]) -> str:
    return ";".join(parse_tags(" ".join(tags)))


def parse_startup(text: str) -> str:
    """One spelling of "2", "order=2", "up=5,order=2"."""
    first, props = parse_props(text)
    if first is not None:
        props["order"] = first
    known = [key for key in ("order", "up", "down") if key in props]
    return render_props({key: props[key] for key in known})


def parse_words(text: str) -> str:
    """Name servers and search domains may be separated by blanks or commas."""
    return " ".join(word for word in re.split(r"[, ]+", text) if word)


# ---------------------------------------------------------------- description


def render_description(note: str, mark: Mark | None, template: str | None) -> str:
    """The operator's note, then our block. Proxmox shows it as Markdown, hence the fence."""
    if mark is None:
        return note
    lines = {
        "deployment": mark.deployment,
        "environment": mark.environment,
        "host": mark.host,
        "template": template or "",
    }
    block = "".join(f"{key}: {value}\n" for key, value in lines.items() if value)
    return f"{note}\n\n```ctlv\n{block}```" if note else f"```ctlv\n{block}```"


def parse_description(text: str) -> tuple[str, Mark | None, str | None]:
    """Return note, mark and template. Proxmox adds a newline at the end: no difference."""
    match = MARK_BLOCK.search(text)
    if match is None:
        return text.strip(), None, None
    pairs = (line.partition(":") for line in match["lines"].splitlines())
    values = {key.strip(): value.strip() for key, _, value in pairs}
    note = f"{text[: match.start()].strip()}\n{text[match.end() :].strip()}".strip()
    if not {"deployment", "environment", "host"} <= values.keys():
        return note, None, values.get("template")
    mark = Mark(
        deployment=values["deployment"], environment=values["environment"], host=values["host"]
    )
    return note, mark, values.get("template")


# ---------------------------------------------------------------- whole configurations


def numbered(config: Config, prefix: str) -> list[tuple[str, str]]:
    """The pairs `prefixN`, by N."""
    keys = [key for key in config if re.fullmatch(rf"{prefix}\d+", key)]
    return [(key, str(config[key])) for key in sorted(keys, key=lambda k: int(k[len(prefix) :]))]


def parse_container(vmid: int, node: str, config: Config) -> Container:
    """A container from GET config. Missing keys have Proxmox's defaults."""
    note, mark, template = parse_description(str(config.get("description", "")))
    cores = config.get("cores")
    return Container(
        vmid=vmid,
        node=node,
        hostname=str(config.get("hostname", "")),
        template=template,
        unprivileged=parse_bool(config.get("unprivileged", 0)),
        cores=int(cores) if cores is not None else None,
        memory_mib=int(config.get("memory", 512)),
        swap_mib=int(config.get("swap", 512)),
        disk=parse_disk(str(config.get("rootfs", ""))),
        nics=tuple(parse_nic(key, text) for key, text in numbered(config, "net")),
        mounts=tuple(parse_mount(key, text) for key, text in numbered(config, "mp")),
        features=parse_features(str(config.get("features", ""))),
        onboot=parse_bool(config.get("onboot", 0)),
        startup=parse_startup(str(config.get("startup", ""))),
        protection=parse_bool(config.get("protection", 0)),
        tags=parse_tags(str(config.get("tags", ""))),
        nameserver=parse_words(str(config.get("nameserver", ""))),
        searchdomain=parse_words(str(config.get("searchdomain", ""))),
        note=note,
        mark=mark,
    )


def render_simple(container: Container) -> dict[str, str | int]:
    """Every key but devices and what creation alone can set; "" means the key is to be absent."""
    return {
        "hostname": container.hostname,
        "cores": "" if container.cores is None else container.cores,
        "memory": container.memory_mib,
        "swap": container.swap_mib,
        "features": render_features(container.features),
        "onboot": render_bool(container.onboot),
        "startup": container.startup,
        "protection": render_bool(container.protection),
        "tags": render_tags(container.tags),
        "nameserver": container.nameserver,
        "searchdomain": container.searchdomain,
        "description": render_description(container.note, container.mark, container.template),
    }


def create_params(
    container: Container, *, ostemplate: str, ssh_keys: str, pool: str = ""
) -> dict[str, str | int]:
    """The form of POST /nodes/N/lxc. No password: root's stays locked. Starting is another step.

    With a pool the tags must follow: for them Proxmox asks /vms/ID, which the pool does not reach
    before the container is in it (pve-guest-common GuestHelpers.pm, assert_tag_permissions).
    """
    simple = {key: value for key, value in render_simple(container).items() if value != ""}
    if pool:
        simple = {**simple, "pool": pool}
        simple.pop("tags", None)
    return {
        "vmid": container.vmid,
        "ostemplate": ostemplate,
        "unprivileged": render_bool(container.unprivileged),
        "rootfs": render_new_disk(container.disk),
        "ssh-public-keys": ssh_keys,
        **simple,
        **{nic.key: render_nic(nic) for nic in container.nics},
        **{mount.key: render_mount(mount) for mount in container.mounts},
    }


def parse_pending(items: Sequence[Mapping[str, Any]]) -> tuple[Pending, ...]:
    """What GET pending says will change at the next start."""
    return tuple(
        Pending(
            key=str(item["key"]),
            before=str(item["value"]) if "value" in item else None,
            after=str(item["pending"]) if "pending" in item else None,
        )
        for item in items
        if "pending" in item or item.get("delete")
    )


def unmanaged(config: Config) -> tuple[tuple[str, str], ...]:
    """The settings that the inventory has no word for, unless they are Proxmox's defaults."""
    found = [(k, str(v)) for k, v in config.items() if not MANAGED.fullmatch(k) and k != "lxc"]
    # Raw keys of LXC, such as lxc.mount.entry, may stand there twice.
    found += [(str(key), str(value)) for key, value in config.get("lxc") or ()]
    _, options = parse_props(str(config.get("rootfs", "")))
    found += [(f"rootfs.{key}", value) for key, value in options.items()
              if key not in {"size", "volume"} and MOUNT_DEFAULTS.get(key) != value]  # fmt: skip
    return tuple((key, value) for key, value in sorted(found) if value not in DEFAULTS.get(key, ()))


def after_start(config: Config, waiting: Sequence[Pending]) -> Config:
    """The configuration once it has taken what waits: deletions first, then values.

    A volume has the size that it has now: what waits carries an older one, and Proxmox measures it
    at the start (pve-container LXC/Config.pm, apply_pending_mountpoint).
    """
    after = dict(config)
    for entry in waiting:
        after.pop(entry.key, None)
        if entry.after is not None:
            after[entry.key] = entry.after
            volume, options = parse_props(entry.after)
            now, has = parse_props(entry.before or "")
            if "size" in has and volume == now:
                after[entry.key] = render_props({**options, "size": has["size"]}, first=volume)
    return after


def parse_found(
    vmid: int, node: str, *, config: Config, pending: Sequence[Config], status: Config
) -> Found:
    """A container from what its configuration is, GET pending and one line of GET /nodes/N/lxc."""
    waiting = parse_pending(pending)
    current = parse_container(vmid, node, config)
    return Found(
        container=parse_container(vmid, node, after_start(config, waiting)) if waiting else current,
        current=current if waiting else None,
        status=str(status.get("status", "unknown")),
        digest=str(config.get("digest", "")),
        lock=str(config["lock"]) if config.get("lock") else None,
        pending=waiting,
        ha_managed=bool(status.get("hastate")),
        is_template=parse_bool(config.get("template", 0)),
        ostype=str(config.get("ostype", "")),
        uptime_s=int(status.get("uptime") or 0),
        memory_used_bytes=int(status.get("mem") or 0),
        disk_used_bytes=int(status.get("disk") or 0),
    )


# ---------------------------------------------------------------- templates and logs


def newest_template(name: str, volumes: Sequence[str]) -> str | None:
    """The newest of `volumes` that is the template `name`, or is the file `name` itself.

    "debian-13-standard" is any "STORAGE:vztmpl/debian-13-standard_VERSION_ARCH.tar.EXT".
    """
    files = {volume.rpartition("/")[2]: volume for volume in volumes}
    if name in files:
        return files[name]
    matching = [file for file in files if file.startswith(f"{name}_")]
    return files[max(matching, key=version_key)] if matching else None


def version_key(file: str) -> tuple[int, ...]:
    """ "debian-13-standard_13.10-2_amd64.tar.zst" -> (13, 10, 2)."""
    version = file.split("_")[1] if "_" in file else ""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def fingerprints(log: Sequence[str]) -> frozenset[str]:
    """The host keys' fingerprints that Proxmox prints into the log of the create task."""
    return frozenset(found for line in log for found in SSH_FINGERPRINT.findall(line))
