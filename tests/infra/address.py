"""The last words of `make up`: where the agenda is, and how to get a first account."""

from __future__ import annotations

import argparse
import sys

from tests.infra.site import Site, SiteError, read_site


def address(site: Site) -> str:
    """In the lab the loopback forward, elsewhere the web host's own address."""
    web = site.of("web")[0].addresses["campus"]
    for port, target in site.lab.get("forwards", {}).items():
        if target == f"{web}:80":
            return f"http://127.0.0.1:{port}/agenda"
    return f"http://{web}/agenda"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.infra.address", description=__doc__)
    parser.add_argument("--env", default="lab")
    environment = parser.parse_args().env
    try:
        where = address(read_site(environment))
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    suffix = "" if environment == "lab" else f" ENV={environment}"
    first = "sign up there" if environment == "lab" else "sign-up is closed until you open it"
    print(f"\nThe agenda is at {where}")
    print(f"A first account: {first}; an administrator: `make admin{suffix}`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
