"""gunicorn reads this file of the release it serves; the unit's command line says the rest."""

from config.unreadable import post_worker_init

__all__ = ["post_worker_init"]
