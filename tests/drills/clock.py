"""A clock that is wrong, in containers that have no wall clock of their own: libfaketime's.

The agenda, its timer and the database are started again with it before anybody works, and without
it after; in between a file says by how much their clock is off, so that it jumps while they run.
All of it lies under /run, and a unit of the host takes it away again, whatever becomes of us.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.drills.cluster import waited
from tests.drills.consent import DrillError
from tests.infra.remote import Connections, Place
from tests.infra.site import Site

LIBRARIES = "usr/lib/*/faketime/libfaketimeMT.so.1"
UNIT = "ctlv-drill-clock"
FOLDER = f"/run/{UNIT}"
DROP_IN = f"/run/systemd/system/{{unit}}.service.d/{UNIT}.conf"
# Host group -> units with the clock; the database first, for the others start with it.
UNITS = {
    "database": ("mariadb",),
    "web": ("agenda@", "agenda-expiry"),
    "rest": ("agenda@", "agenda-expiry"),
}
# Then the host ends it by itself; a fault takes less.
AT_MOST_S = 240
READY_WITHIN_S = 90
# Monotonic clocks and the times of files stay as they are on a real host whose clock is set.
SETTINGS = f"""[Service]
Environment=LD_PRELOAD={FOLDER}/libfaketime.so FAKETIME_TIMESTAMP_FILE={FOLDER}/off
Environment=FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_CACHE_DURATION=1 NO_FAKE_STAT=1
"""
BEGIN = """set -e
mkdir -p {folder}
cd {folder}
base64 -d > libfaketime.so <<'END'
{library}
END
echo +0 > off
cat > begin <<'END'
set -e
for conf in {drop_ins}; do
  mkdir -p "$(dirname "$conf")"
  cp {folder}/settings "$conf"
done
systemctl daemon-reload
systemctl try-restart {running}
touch {folder}/ready
sleep {at_most_s}
END
cat > end <<'END'
for conf in {drop_ins}; do
  rm -f "$conf"
  rmdir --ignore-fail-on-non-empty "$(dirname "$conf")"
done
systemctl daemon-reload
systemctl try-restart {running}
rm -rf {folder}
END
cat > settings <<'END'
{settings}
END
systemd-run --quiet --collect --unit={unit} --property=TimeoutStopSec=120 \
    --property='ExecStopPost=/bin/sh {folder}/end' /bin/sh {folder}/begin
"""


def script(group: str, library: bytes) -> str:
    """What a host of the group runs; `off` then says by how much its clock is wrong."""
    units = UNITS[group]
    return BEGIN.format(
        folder=FOLDER,
        unit=UNIT,
        at_most_s=AT_MOST_S,
        settings=SETTINGS,
        library=base64.encodebytes(library).decode().strip(),
        drop_ins=" ".join(DROP_IN.format(unit=unit) for unit in units),
        running=" ".join(f"'{unit}*.service'" for unit in units if unit != "agenda-expiry"),
    )


def library() -> bytes:
    found = sorted(Path("/").glob(LIBRARIES))
    if not found:
        raise DrillError("libfaketime is not installed on this machine", "run setup/machine")
    return found[0].read_bytes()


class Clock:
    """The clock of the hosts of a site."""

    def __init__(self, site: Site) -> None:
        self.groups = {host.name: group for group in UNITS for host in site.of(group)}
        self.connections = Connections(site)

    def places(self) -> list[tuple[Place, str]]:
        return [(self.connections.place(name), group) for name, group in self.groups.items()]

    def set_off(self, by: str) -> None:
        """By "+2h" or "+0", everywhere at once, as on a node whose clock is set."""
        for place, _group in self.places():
            # A name of its own first: a clock never reads half a line.
            text = f"echo {by} > {FOLDER}/off.new && mv {FOLDER}/off.new {FOLDER}/off"
            place.run(["sh", "-c", text])

    def words_of(self, group: str, unit: str, since_s: int) -> str:
        """What a unit said lately, by the journal's own clock, which nobody moved."""
        said = ["journalctl", f"--unit={unit}", f"--since=-{since_s}s", "--output=cat"]
        return "".join(place.run(said).stdout for place, of in self.places() if of == group)


@contextmanager
def of_our_own(site: Site) -> Iterator[Clock]:
    """Inside the block the agenda, its timer and its database have a clock that can be set."""
    code, clock = library(), Clock(site)
    try:
        for place, group in clock.places():
            place.run(["sh", "-s"], stdin=script(group, code))
            waited(
                partial(is_ready, place),
                what=f"{place.name} to start again with another clock",
                limit_s=READY_WITHIN_S,
            )
        yield clock
    finally:
        left = [place.name for place, group in clock.places() if not is_gone(place, group)]
        clock.connections.close()
        if left:
            raise DrillError(
                f"another clock is still set on {', '.join(left)}",
                f"run `systemctl stop {UNIT}` there, or restart it",
            )


def is_ready(place: Place) -> bool:
    return place.run(["test", "-e", f"{FOLDER}/ready"], check=False).returncode == 0


def is_gone(place: Place, group: str) -> bool:
    """Take the clock away; whether nothing of it is left."""
    place.run(["systemctl", "stop", UNIT], check=False, timeout_s=180)
    files = [FOLDER, *(DROP_IN.format(unit=unit) for unit in UNITS[group])]
    left = place.run(["ls", "-d", *files], check=False)
    return not left.stdout and left.returncode != 255  # 255: it could not be asked
