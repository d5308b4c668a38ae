"""A clock that is wrong, in containers that have no wall clock of their own: wrong_clock.c's.

libfaketime is no help: Python 3.13's sleep() fails with it (0.9.10). The agenda, its timer and the
database are started again with ours before anybody works, and without it after; in between a file
says by how much their clock is off, so that it jumps while they run. All of it lies under /run, and
a unit of the host takes it away again, whatever becomes of us.
"""

from __future__ import annotations

import base64
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from provision.errors import OperatorError
from tests.drills.cluster import waited
from tests.infra.remote import Connections, Place
from tests.infra.site import Site

SOURCE = Path(__file__).with_name("wrong_clock.c")
# Not "ctlv-...": the sandbox of those units would forbid it all.
UNIT = "drill-clock"
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
SETTINGS = f"""[Service]
Environment=LD_PRELOAD={FOLDER}/wrong_clock.so WRONG_CLOCK={FOLDER}/off
"""
BEGIN = """set -e
umask 022
mkdir -p {folder}
cd {folder}
base64 -d > wrong_clock.so <<'END'
{library}
END
echo 0000000 > off
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
    """Compiled here, with what mysqlclient is compiled with."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "wrong_clock.so"
        command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(made)]
        subprocess.run([*command, str(SOURCE)], check=True, timeout=60)
        return made.read_bytes()


class Clock:
    """The clock of the hosts of a site."""

    def __init__(self, site: Site) -> None:
        self.groups = {host.name: group for group in UNITS for host in site.of(group)}
        self.connections = Connections(site)

    def places(self) -> list[tuple[Place, str]]:
        return [(self.connections.place(name), group) for name, group in self.groups.items()]

    def set_ahead(self, seconds: int) -> None:
        """Everywhere at once, as on a node whose clock is set."""
        for place, _group in self.places():
            place.run(["sh", "-c", f"printf '%07d\\n' {seconds} 1<> {FOLDER}/off"])

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
            raise OperatorError(
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
