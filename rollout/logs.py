"""What the services of all containers said, by time: `make logs HOST= SINCE= LINES= FOLLOW=1`.

    python -m rollout.logs --env ENV [--to GROUP_OR_NAME] [--since WHEN] [--lines N] [--follow]

The journal of our units and what nginx writes into files of its own.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

from provision.arguments import Parser, whole
from provision.errors import OperatorError, failing_as
from rollout.reach import Hosts, addresses

UNITS = ("agenda*", "nginx", "mariadb", "haproxy", "keepalived", "tinyproxy", "ctlv-*")
ALL = "all"
LINES, LINES_SINCE = 100, 10_000
# Arguments: when from or "", how many lines, units. First it says how far its clock is from UTC.
TELL = """since=$1 lines=$2; shift 2
at=; [ -z "$since" ] || at=$(date --date="$since" +%s 2>/dev/null) || exit 3
date +%z
journalctl --output=short-unix --no-hostname --quiet --lines="$lines" ${at:+--since=@$at} "$@"
for file in access error; do
  for old in .1 ""; do
    ! [ -r /var/log/nginx/$file.log$old ] || cat /var/log/nginx/$file.log$old
  done | tail -n "$lines" | sed "s/^/$file /"
done
"""
FOLLOW = """lines=$1; shift
journalctl --output=short-iso --no-hostname --quiet --follow --lines="$lines" "$@" &
cd /var/log/nginx 2>/dev/null || cd /
tail --quiet --lines=0 --follow=name --retry access.log error.log 2>/dev/null &
trap 'kill %1 %2' EXIT; wait -n
"""
NOT_A_MOMENT = 3
JOURNAL = re.compile(r"(?P<at>\d{9,11}\.\d{6}) (?P<text>.*)")
ACCESS = re.compile(r"access (?P<who>\S+) \[(?P<at>[^\]]+)\] (?P<text>.*)")
ERROR = re.compile(r"error (?P<at>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) (?P<text>.*)")

Said = tuple[datetime, str, str]


def read(host: str, text: str) -> Iterator[Said]:
    """When, host, words, of what TELL says; a line without a moment belongs to the one before."""
    zone_line, _, body = text.partition("\n")
    zone = timezone(timedelta(hours=int(zone_line[:3]), minutes=int(zone_line[0] + zone_line[3:5])))
    at = datetime.min.replace(tzinfo=UTC)
    for line in body.splitlines():
        words = line
        if found := JOURNAL.fullmatch(line):
            at, words = datetime.fromtimestamp(float(found["at"]), UTC), found["text"]
        elif found := ACCESS.fullmatch(line):
            at = datetime.fromisoformat(found["at"])
            words = f"nginx: {found['who']} {found['text']}"
        elif found := ERROR.fullmatch(line):
            at = datetime.strptime(found["at"], "%Y/%m/%d %H:%M:%S").replace(tzinfo=zone)
            words = f"nginx: {found['text']}"
        yield at, host, words


def merged(told: Mapping[str, str], *, lines: int, since: datetime | None = None) -> list[str]:
    """The last `lines` of all hosts, by time; of one moment in the order in which each said it."""
    said = [one for host, text in told.items() for one in read(host, text)]
    kept = [one for one in sorted(said, key=lambda one: one[0]) if not since or one[0] >= since]
    width = max((len(short(host)) for host in told), default=0)
    return [
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z {short(host):{width}} {words}"
        for at, host, words in kept[-lines:]
    ]


def short(host: str) -> str:
    return host.rpartition("-")[2]


def units() -> list[str]:
    return [word for unit in UNITS for word in ("--unit", unit)]


def tell(hosts: Hosts, names: Iterable[str], *, since: str, lines: int) -> dict[str, str]:
    def one(name: str) -> str:
        command = ["sh", "-c", TELL, "sh", since, str(lines), *units()]
        ended = hosts.run(name, *command, check=False)
        if ended.returncode == NOT_A_MOMENT:
            raise OperatorError(
                f"SINCE is '{since}', which is no moment",
                next_step='give SINCE="2026-11-30 08:00", SINCE=yesterday or SINCE="10 min ago"',
            )
        if ended.returncode != 0:
            said = (ended.stderr.strip().splitlines() or ["no answer"])[-1]
            print(f"{name} says nothing: {said}", file=sys.stderr)
            return "+0000\n"
        return ended.stdout

    names = list(names)
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def follow(hosts: Hosts, names: Iterable[str], *, lines: int) -> None:
    """Each host's lines as they come, until somebody presses Ctrl-C."""
    ways = {}
    for name in names:
        command = hosts.way(name, shlex.join(["bash", "-c", FOLLOW, "bash", str(lines), *units()]))
        ways[name] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def show(name: str, running: subprocess.Popen[str]) -> None:
        for line in running.stdout or ():
            print(f"{short(name)} {line}", end="", flush=True)

    threads = [threading.Thread(target=show, args=way, daemon=True) for way in ways.items()]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        for running in ways.values():
            running.terminate()


def act(asked: argparse.Namespace) -> None:
    with Hosts(asked.env) as hosts:
        everybody = hosts.of("web", "rest", "database")
        names = everybody if asked.to == ALL else list(addresses(asked.env, asked.to))
        lines = asked.lines or (LINES_SINCE if asked.since else LINES)
        if asked.follow:
            return follow(hosts, names, lines=min(lines, LINES))
        told = tell(hosts, names, since=asked.since, lines=lines)
        moment = None
        if asked.since:
            when = hosts.run(names[0], "date", f"--date={asked.since}", "+%s").stdout
            moment = datetime.fromtimestamp(int(when), UTC)
        print("\n".join(merged(told, lines=lines, since=moment)))
    return None


def main() -> None:
    parser = Parser(
        prog="python -m rollout.logs",
        description="What the services said, by time.",
        next_step='make logs SINCE="10 min ago" HOST=web LINES=100',
    )
    parser.add_environment(default="lab")
    parser.add("--to", make="HOST", default=ALL, help="a group or a container; all by time")
    parser.add("--since", make="SINCE", default="", help="a moment, as date(1) reads it")
    parser.add("--lines", make="LINES", type=whole(1), help="at most")
    parser.add("--follow", make="FOLLOW", action="store_true")
    with failing_as("logs"):
        act(parser.parse())


if __name__ == "__main__":
    main()
