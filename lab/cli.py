"""The lab's command line; the only module that prints or exits."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from lab import daemon, lifecycle, settings
from lab.commands import CommandError
from lab.errors import LabError
from lab.templates import RELEASES

DONE, FAILED = 0, 1
LAST_PORT = 65535


def say(text: str) -> None:
    print(f"lab: {text}", flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Run one verb; an expected failure is two lines on stderr."""
    options = parser().parse_args(words)
    # Root of a container, and the proxy as nobody, walk through folders that are made here.
    os.umask(0o022)
    # Plain `su` keeps a path without the administrator's programs.
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    state = options.state or os.environ.get("CTLV_LAB_STATE") or settings.REPOSITORY / ".lab"
    options.state = Path(state).resolve()
    try:
        changes = options.verb != "serve"
        with settings.locked(options.state) if changes else contextlib.nullcontext():
            act(options)
        return DONE
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except PermissionError as error:
        print(f"lab: {error.filename or error}: permission denied", file=sys.stderr)
        print("  Next: run it with sudo", file=sys.stderr)
    except CommandError as error:
        print(f"lab: {error}", file=sys.stderr)
        print("  Next: run the same again; if it stays, `reset` and `up`", file=sys.stderr)
    return FAILED


def act(options: argparse.Namespace) -> None:
    match options.verb:
        case "up":
            _up(options)
        case "down":
            lifecycle.down(options.state, say=say)
        case "reset":
            lifecycle.reset(options.state, keep_templates=options.keep_templates, say=say)
        case "node-down" | "node-up":
            lifecycle.power(options.state, options.node, is_on=options.verb == "node-up", say=say)
        case "serve":
            _serve(options)


class Parser(argparse.ArgumentParser):
    """Wrong usage is two lines, as any other failure."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILED, f"lab: {message}\n  Next: {self.prog} --help\n")


def parser() -> Parser:
    """Return the command line. What the options of `up` leave out, the environment may say."""
    main_parser = Parser(prog="python -m lab", description=__doc__)
    verbs = main_parser.add_subparsers(dest="verb", required=True)
    texts = {
        "up": "start the lab, or resume it with its data",
        "down": "stop it, data kept",
        "reset": "remove every trace of it",
        "node-down": "cut a node's power: all that runs on it ends at once",
        "node-up": "give it back: what starts on boot, or is HA's, starts",
        "serve": argparse.SUPPRESS,
    }
    made = {name: verbs.add_parser(name, help=text) for name, text in texts.items()}
    for each in made.values():
        each.add_argument("--state", help="the lab's folder (default: $CTLV_LAB_STATE or .lab)")
    start = made["up"]
    settable = {
        "name": "names of its network namespaces and containers",
        "api-port": "port of the API (8006)",
        "web-port": "port of the agenda (8080)",
        "rest-port": "port of the REST server (8081)",
    }
    for name, text in settable.items():
        variable = f"LAB_{name.replace('-', '_').upper()}"
        said = os.environ.get(variable, "").strip() or None
        kind = str if name == "name" else port
        start.add_argument(f"--{name}", type=kind, default=said, help=f"{text}; ${variable}")
    start.add_argument("--template", type=int, choices=sorted(RELEASES), default=max(RELEASES))
    made["reset"].add_argument("--keep-templates", action="store_true")
    for verb in ("node-down", "node-up"):
        made[verb].add_argument("node", metavar="NAME", help="as in lab_nodes of inventory/lab")
    return main_parser


def port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"'{text}' is no port (1 to {LAST_PORT})")
    return int(text)


def _up(options: argparse.Namespace) -> None:
    started = time.monotonic()
    kept = settings.load(options.state)
    asked = {
        key: value
        for key in ("name", "api_port", "web_port", "rest_port")
        if (value := getattr(options, key)) is not None
    }
    if kept and asked.get("name", kept.name) != kept.name:
        raise LabError(
            f"the lab in {options.state} is named '{kept.name}', not '{asked['name']}'",
            next_step="leave --name out, or use another --state",
        )
    wanted = replace(kept or settings.Settings(state=options.state), **asked)
    lab = lifecycle.up(wanted, release=options.template, say=say)
    say(f"The lab is up after {time.monotonic() - started:.1f} s: {lab.lab_file}")


def _serve(options: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    kept = settings.load(options.state)
    if kept is None:
        raise LabError(f"there is no lab in {options.state}", next_step="run `up` first")
    asyncio.run(daemon.serve(kept))
