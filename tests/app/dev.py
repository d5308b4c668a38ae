"""`make dev`: the agenda on this machine, read anew when its code changes. No root, no lab.

    python -m tests.app.dev [--port 8000]

A MariaDB of its own in memory and an account named demo with a believable week; both go with it.
Styles and scripts are collected at its start: begin again to see those.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys

from tests.app.served import APP, ServedAgenda


class ReloadedAgenda(ServedAgenda):
    def serve(self) -> None:
        # In the foreground: what it says belongs on the screen.
        words = ["--bind", f"127.0.0.1:{self.port}", "--reload", "--threads", "4"]
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "tests.app.wsgi",
            "--no-control-socket",
            *words,
        ]
        self.process = subprocess.Popen(command, cwd=APP, env=self.environment)
        self._wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.app.dev", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    agenda = ReloadedAgenda(port=parser.parse_args().port)
    print("Starting a database and the agenda (a few seconds) ...", flush=True)
    try:
        agenda.start()
        print(agenda.manage("agenda_demo").strip())
        print(f"The agenda is at {agenda.address}/agenda, its API at {agenda.address}/api/v1/docs")
        print("Ctrl-C ends it, with all that was written.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            assert agenda.process is not None
            agenda.process.wait()
    except RuntimeError as error:
        print(
            f"dev: {error}\n  Next: is the port free, and MariaDB's server installed?",
            file=sys.stderr,
        )
        return 1
    finally:
        agenda.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
