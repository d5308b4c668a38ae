"""docs/provision.md says what the command line and doctor say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from provision import cli
from provision.desired import desired
from provision.rights import needed
from tests.provision.situations import DB, WEB, inventory

PAGE = (Path(__file__).parents[2] / "docs/provision.md").read_text("utf-8")


def verbs():
    actions = [action for action in cli.parser()._actions if action.choices]
    return actions[0].choices


def test_the_page_names_every_verb_and_every_option():
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))

    for verb, sub in verbs().items():
        assert re.search(rf"`{verb}\b", table), verb
        for action in sub._actions:
            for option in set(action.option_strings) - {"-h", "--help", "--env", "--all"}:
                assert option in table, (verb, option)


def test_the_page_lists_the_privileges_that_doctor_asks_for():
    text = re.sub(
        r"VM\.Config\.\{([\w,]+)\}",
        lambda match: " ".join(f"VM.Config.{name}" for name in match[1].split(",")),
        PAGE.partition("## Rights")[2].partition("## ")[0],
    )
    named = set(re.findall(r"\b(?:VM|Pool|Datastore|SDN|Sys)\.[A-Za-z.]+[A-Za-z]", text))

    everything = inventory(web=WEB, db={**DB, "lxc_node": "pve2", "lxc_ha": True})
    ways = (replace(desired(everything), pool=pool) for pool in ("", "ctlv"))
    assert named == {p for way in ways for own in needed(way).values() for p in own}
