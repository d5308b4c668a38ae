"""The agenda's own settings and one address more."""

from config.settings import *  # noqa: F403 - nothing else is different

ROOT_URLCONF = "tests.bench.app_urls"
