"""`python -m provision VERB --env ENV`."""

from __future__ import annotations

import sys

from provision.cli import main

if __name__ == "__main__":
    sys.exit(main())
