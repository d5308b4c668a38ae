"""Whose an address is, by real packets: another machine's is found, ours is told."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

ROLES = Path(__file__).parents[2] / "ansible/roles"
PROGRAM = ROLES / "ownership/files/address_taken.py"
ANNOUNCE = ROLES / "base/files/ctlv-announce"
SPEC = importlib.util.spec_from_file_location("address_taken", PROGRAM)
address_taken = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(address_taken)

OURS, OTHERS = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def answer(sender: bytes, address: str) -> bytes:
    frame = bytearray(address_taken.probe(sender, "198.18.28.9"))
    frame[28:32] = bytes(map(int, address.split(".")))
    return bytes(frame)


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        pytest.param(answer(OTHERS, "198.18.28.9"), "02:00:00:00:00:02", id="somebody has it"),
        pytest.param(answer(OURS, "198.18.28.9"), "", id="we said so ourselves"),
        pytest.param(answer(OTHERS, "198.18.28.8"), "", id="somebody has another"),
        pytest.param(address_taken.probe(OTHERS, "198.18.28.9"), "", id="somebody asks too"),
        pytest.param(b"short", "", id="no frame of ARP"),
    ],
)
def test_an_answer_is_told_from_everything_else(frame, found):
    assert address_taken.answered_by(frame, {OURS}, "198.18.28.9") == found


# A cable to another machine: a namespace inside ours.
CABLE = """
mkfifo {folder}/there && exec 3<>{folder}/there
unshare --net sh -c 'echo here >&3; exec sleep 50' &
trap "kill $!" EXIT
read -r here <&3
there="nsenter --net --target $!"
ip link add ours type veth peer name theirs netns $!
ip address add 198.18.28.9/24 dev ours && ip link set ours up
$there ip address add {theirs}/24 dev theirs && $there ip link set theirs up
"""


def over_the_cable(folder, script, *, theirs):
    ways = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*ways, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody make a network namespace")
    text = CABLE.format(theirs=theirs, folder=folder) + script
    ended = subprocess.run(
        [*ways, "sh", "-ec", text], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(("theirs", "is_found"), [("198.18.28.9", True), ("198.18.28.8", False)])
def test_an_address_that_another_machine_has_is_found_by_real_packets(tmp_path, theirs, is_found):
    told = over_the_cable(tmp_path, f"python3 {PROGRAM}", theirs=theirs)
    assert ("198.18.28.9 (ours) is also at " in told) is is_found


def test_a_neighbour_that_remembers_who_had_our_address_learns_that_we_have_it(tmp_path):
    script = f"""
ip link set ours address {OURS.hex(":")}
$there ip neigh replace 198.18.28.9 lladdr {OTHERS.hex(":")} dev theirs nud reachable
$there ip neigh
python3 {ANNOUNCE}
$there ip neigh
"""
    before, after = over_the_cable(tmp_path, script, theirs="198.18.28.8").splitlines()
    assert OTHERS.hex(":") in before
    assert OURS.hex(":") in after
