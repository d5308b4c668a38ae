"""What gunicorn's workers all need is made before they are forked: none has a copy of its own."""

from __future__ import annotations

import gc
import importlib.util

import pytest
from django.template import engines

from tests.app.conftest import APP


@pytest.fixture
def configuration():
    spec = importlib.util.spec_from_file_location("gunicorn_conf", APP / "gunicorn.conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    gc.unfreeze()


def pages_at_hand():
    (loader,) = engines["django"].engine.template_loaders
    return {str(name) for name in loader.get_template_cache}


@pytest.mark.parametrize("is_web", [True, False], ids=["web", "rest"])
def test_views_and_pages_are_at_hand_before_a_worker_is_forked(configuration, settings, is_web):
    settings.IS_WEB = is_web
    for loader in engines["django"].engine.template_loaders:
        loader.reset()
    configuration.when_ready(None)
    assert gc.get_freeze_count() > 0
    assert ("agenda/agenda.html" in pages_at_hand()) == is_web
