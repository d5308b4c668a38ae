"""The agenda's own settings, but for what only slows tests down."""

from config.settings import *  # noqa: F403 - the point is to change nothing else

# Argon2 is slow on purpose; tests/app/test_accounts.py looks at the real setting.
REAL_PASSWORD_HASHERS = PASSWORD_HASHERS  # noqa: F405 - from config.settings
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Hashed names need collectstatic; tests/app/test_static.py does that once, for real.
STORAGES = STORAGES | {  # noqa: F405 - from config.settings
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
