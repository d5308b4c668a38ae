"""`python -m provision.lab`."""

import sys

from provision.lab.cli import main

sys.exit(main())
