"""The REST server alone, as its own container runs it: gunicorn, AGENDA_ROLE=rest, no secret key of
the web's, and a database account with the privileges of app/api/privileges.yml and no other.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.app.served import APP, ServedAgenda

PRIVILEGES = APP / "api/privileges.yml"
ACCOUNT = "agenda_rest"
MAKE_TOKEN = """
import sys
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from accounts.services import account_create
from api.services import Order, token_create
user = User.objects.filter(username=sys.argv[1]).first()
user = user or account_create(username=sys.argv[1], password="a long enough password")
order = Order(name="test", scopes=sys.argv[2].split(), days=3)
print(token_create(order, owner_id=user.pk, at=timezone.now())[1])
"""


class ServedRest(ServedAgenda):
    """`manage` and `token_of` are the web's and may do everything; what is served may not."""

    def __init__(self, **environment: str) -> None:
        super().__init__()
        (self.folder / "make_token.py").write_text(
            f"import django\ndjango.setup()\n{MAKE_TOKEN}", "utf-8"
        )
        self.environment |= {"AGENDA_API_RATE": "1000000"}
        self._served = environment

    def serve(self) -> None:
        self._make_account()
        web, rest = self.environment, dict(self.environment)
        for name in ("AGENDA_SECRET_KEY_FILE", "AGENDA_SIGNUP", "AGENDA_STATIC_ROOT"):
            del rest[name]
        rest |= {"AGENDA_ROLE": "rest", "AGENDA_DATABASE_USER": ACCOUNT} | self._served
        self.environment = rest
        try:
            super().serve()
        finally:
            self.environment = web

    def _make_account(self) -> None:
        listed = yaml.safe_load(PRIVILEGES.read_text("utf-8"))["rest_privileges"]
        grants = [
            f"GRANT {given} ON agenda.{t} TO {ACCOUNT}@localhost;" for t, given in listed.items()
        ]
        make = f"CREATE USER IF NOT EXISTS {ACCOUNT}@localhost;"
        self.sql("\n".join([make, *grants]))

    def token_of(self, name: str, *scopes: str) -> str:
        """A new token of the user `name`, who is made when there is none."""
        wanted = " ".join(scopes or ("read", "create", "write"))
        return self.run(self.folder / "make_token.py", name, wanted).strip()

    def manage_rest(self, *arguments: str, **settings: str) -> str:
        """A management command as the REST container runs it, with other `settings`."""
        web = self.environment
        self.environment = {k: v for k, v in web.items() if k != "AGENDA_SECRET_KEY_FILE"}
        self.environment |= {"AGENDA_ROLE": "rest", "AGENDA_DATABASE_USER": ACCOUNT, **settings}
        try:
            return self.manage(*arguments)
        finally:
            self.environment = web

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        there = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=30)
        try:
            yield there
        finally:
            there.close()

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        with self.connection() as there:
            there.request(method, path, body, headers)
            answer = there.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
