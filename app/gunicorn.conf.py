"""gunicorn reads this file of the release it serves; the unit's command line says the rest."""

import gc
from pathlib import Path
from typing import Any

from config.unreadable import post_worker_init

__all__ = ["post_worker_init", "when_ready"]


def when_ready(_server: Any) -> None:
    """Before the workers are forked: what all of them need is made once, and stays shared. What the
    collector looked at it would write to, and each worker would get a copy of its own.
    """
    # Django's settings are there only now.
    from django.conf import settings  # noqa: PLC0415
    from django.template.loader import get_template  # noqa: PLC0415
    from django.urls import get_resolver  # noqa: PLC0415
    from django.utils.translation import gettext, override  # noqa: PLC0415

    for language, _name in settings.LANGUAGES:
        with override(language):
            gettext("Agenda")
    _every_view_is_loaded = get_resolver().reverse_dict
    for folder in Path(__file__).parent.glob("*/templates"):
        for page in folder.rglob("*.html") if settings.IS_WEB else ():
            get_template(str(page.relative_to(folder)))
    gc.collect()
    gc.freeze()
