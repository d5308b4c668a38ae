"""Sign people in without a page, and print their sessions' keys and one's token for programs.

Run in the application's environment: `scale_people.py NUMBER`.
"""

from __future__ import annotations

import json
import sys

import django

django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402 - Django is set up just above
from django.utils import timezone  # noqa: E402 - likewise

from accounts.access import BACKEND  # noqa: E402 - likewise
from accounts.models import SessionStore, User  # noqa: E402 - likewise
from api.models import SCOPES  # noqa: E402 - likewise
from api.services import Order, token_create  # noqa: E402 - likewise

people = list(User.objects.filter(username__startswith="other-")[: int(sys.argv[1])])
sessions = []
for person in people:
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = BACKEND
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    sessions.append(session.session_key)
order = Order(name="bench", scopes=list(SCOPES), days=1)
token = token_create(order, owner_id=people[0].pk, at=timezone.now())[1]
print(json.dumps({"sessions": sessions, "token": token}))
