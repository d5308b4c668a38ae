"""A write that the database gives up, or whose connection is lost, has its effect once."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from pyotp import TOTP, random_base32

import accounts
import agenda
import api
from accounts import audit, models, reset, second_factor
from accounts import services as people
from accounts.models import AuditLine, FirstAdminLink, ResetRequest, Session, SessionStore, User
from agenda import erased, forgetting, leases, reminders
from agenda import services as tasks
from agenda.management.commands import agenda_demo
from agenda.models import UNDO_WINDOW, Lease, Task
from api import services as programs
from api import tasks as routes
from api.management.commands import agenda_forget_again
from api.models import IdempotencyKey, Token, Tombstone
from config import retry
from config.retry import RETRIED, OutcomeUnknown, nobody_knows, retried

pytestmark = pytest.mark.django_db(transaction=True)

DEADLOCK, CUT, LOST, LEFT = 1213, 2006, 2013, 1047
PASSWORD = "a long enough password"
WRITES = ("INSERT", "UPDATE", "DELETE")


# --- the database fails at a COMMIT ---------------------------------------------------------


class Fault:
    """At the `number`th COMMIT, a statement's own or a transaction's: `code`, before or after."""

    def __init__(self, number: int, code: int, *, after: bool) -> None:
        self.left, self.code, self.after, self.struck = number, code, after, False

    def strikes(self) -> bool:
        self.left -= 1
        self.struck |= self.left == 0
        return self.left == 0

    def around(self, act: Callable[[], object]) -> object:
        if not self.strikes():
            return act()
        if self.after:
            act()
        raise OperationalError(self.code, "by the test")

    def statement(self, execute, sql, params, many, context):
        def act():
            return execute(sql, params, many, context)

        if connection.in_atomic_block or not sql.startswith(WRITES):
            return act()
        return self.around(act)


@contextmanager
def failing(fault: Fault) -> Iterator[None]:
    commit = connection.commit
    with pytest.MonkeyPatch.context() as patched, connection.execute_wrapper(fault.statement):
        patched.setattr(connection, "commit", lambda: fault.around(commit))
        patched.setattr(retry, "PAUSE_S", 0)
        yield


FAULTS = {
    "it met another's write": (DEADLOCK, False),
    "it waited too long": (1205, False),
    "the server is gone": (CUT, False),
    "the member left its cluster": (LEFT, False),
    "COMMIT never arrived": (LOST, False),
    "the answer never came": (LOST, True),
}


# --- every write that is tried again ---------------------------------------------------------


def user(**given) -> User:
    name = f"u{uuid4().hex[:12]}"
    return User.objects.create_user(name, password=PASSWORD, **given)


def task(owner: User | None = None, **given) -> Task:
    at = timezone.now()
    given = {"title": "call", "deadline_at": at + timedelta(hours=3), "created_at": at} | given
    return Task.objects.create(owner=owner or user(), **given)


def words(**given) -> tasks.TaskInput:
    return tasks.TaskInput(title="new", deadline_at=timezone.now() + timedelta(days=2), **given)


def now(row):
    return type(row).objects.get(pk=row.pk)


def case_add():
    owner = user()
    given, at = words(), timezone.now()
    return (
        lambda: tasks.task_add(owner_id=owner.pk, given=given, at=at),
        lambda: Task.objects.filter(owner=owner, title="new").count(),
    )


def case_edit():
    row = task()
    return (
        lambda: tasks.task_edit(task=row, given=words(notes="longer"), at=timezone.now()),
        lambda: int(now(row).notes == "longer"),
    )


def case_take_away():
    row = task()
    asked = {"owner_id": row.owner_id, "task_id": row.pk, "at": timezone.now()}
    return lambda: tasks.task_done(**asked), lambda: int(now(row).is_done)


def case_series_end():
    row = task(removed_at=timezone.now(), repeat="daily")
    asked = {"owner_id": row.owner_id, "task_id": row.pk, "at": timezone.now()}
    return lambda: tasks.series_end(**asked), lambda: int(now(row).repeat == "")


def case_restore():
    row = task(removed_at=timezone.now())
    asked = {"owner_id": row.owner_id, "task_id": row.pk, "at": timezone.now()}
    return lambda: tasks.task_restore(**asked), lambda: int(now(row).removed_at is None)


def case_keep():
    row = task()
    asked = {"owner_id": row.owner_id, "task_id": row.pk, "at": timezone.now()}
    return (
        lambda: tasks.task_keep(**asked, seen_at=row.deadline_at),
        lambda: (now(row).deadline_at - row.deadline_at) / timedelta(days=1),
    )


def case_listened():
    who = user()
    return (
        lambda: reminders._listened(who, at=timezone.now()),
        lambda: int(now(who).listened_at is not None),
    )


def case_claim():
    row = task(deadline_at=timezone.now() + timedelta(minutes=5))
    return lambda: reminders._claim(row, at=timezone.now()), lambda: now(row).announced / 3


def case_claim_waiting():
    row = task(deadline_at=timezone.now() - timedelta(minutes=5))
    spans = {"at": timezone.now(), "since": timezone.now() - timedelta(hours=1)}
    leads = reminders.leads_of(row.owner)
    return (
        lambda: reminders._claim_waiting(row.owner, leads, **spans),
        lambda: now(row).announced / 3,
    )


def case_claim_unheard():
    who = user(forgotten_unheard=1)
    return lambda: reminders._claim_unheard(who), lambda: now(who).forgotten_told


def case_repeat():
    at = timezone.now()
    wall = timezone.localtime(at)
    series = {"repeat": "daily", "repeat_from": wall.date(), "repeat_time": wall.time()}
    who = user(listened_at=at)
    task(who, deadline_at=at, **series)

    def effect():
        assert now(who).forgotten_unheard == 1
        return Task.objects.filter(owner=who, deadline_at__gt=at).count()

    return lambda: forgetting._repeat_chunk("deadline_at", at, 500, at=at), effect


def case_erase_chunk():
    who = user(listened_at=timezone.now())
    task(who, deadline_at=timezone.now())
    at = timezone.now()
    return (
        lambda: forgetting._erase_chunk("deadline_at", at, 500, at=at),
        lambda: now(who).forgotten_unheard - Task.objects.filter(owner=who).count(),
    )


def case_erase():
    row = task()
    rows = Task.objects.filter(pk=row.pk)
    return lambda: forgetting._erase(rows), lambda: 1 - rows.count()


def case_account():
    name = f"u{uuid4().hex[:12]}"
    return (
        lambda: people.account_create(username=name, password=PASSWORD),
        lambda: User.objects.filter(username=name).count(),
    )


def case_link():
    return (
        lambda: people.first_admin_link_create(at=timezone.now()),
        FirstAdminLink.objects.count,
    )


def case_first_admin():
    token = people.first_admin_link_create(at=timezone.now())
    given = {"username": f"u{uuid4().hex[:12]}", "password": PASSWORD, "at": timezone.now()}

    def make():
        assert people.first_admin_create(token=token, **given) is not None

    return make, lambda: User.objects.filter(username=given["username"], is_staff=True).count()


def case_access_end():
    who = user()
    programs.token_create(
        programs.Order(name="t", scopes=["read"], days=1), owner_id=who.pk, at=timezone.now()
    )
    return (
        lambda: people.access_end(who, kept=None),
        lambda: 1 - Token.objects.filter(owner=who).count(),
    )


def case_calendar_open():
    who = user()
    return lambda: people.calendar_open(who), lambda: int(bool(now(who).calendar_sha256))


def case_calendar_close():
    who = user()
    people.calendar_open(who)
    return lambda: people.calendar_close(who), lambda: int(now(who).calendar_sha256 is None)


def case_leave():
    who = user()
    identity = who.pk
    task(who)

    def effect():
        assert not User.objects.filter(pk=identity).exists()
        return AuditLine.objects.filter(account_id=identity).count()

    return lambda: people.account_remove(who), effect


def case_note():
    who = user()
    return (
        lambda: audit.note(audit.What.SIGN_IN, who.pk, request=None),
        lambda: AuditLine.objects.filter(account_id=who.pk).count(),
    )


def case_reset_asked():
    where = uuid4().hex
    return (
        lambda: reset._note("whose", where, at=timezone.now()),
        lambda: ResetRequest.objects.filter(where_sha256=where).count(),
    )


def case_reset_done():
    who = user()
    people.calendar_open(who)
    return lambda: reset.reset_done(who), lambda: int(now(who).calendar_sha256 is None)


def case_email():
    who = user()
    who.email = "new@example.org"
    return lambda: reset._email_save(who), lambda: int(now(who).email == "new@example.org")


def factor() -> tuple[User, TOTP]:
    who, app = user(), TOTP(random_base32())
    second_factor.factor_set(who, app, step=1)
    return now(who), app


def case_recovery_take():
    who, app = factor()
    codes = second_factor.recovery_codes_new(who)
    who = now(who)
    return (
        lambda: second_factor._recovery_take(who, app, codes[0].replace(" ", "")),
        lambda: 10 - len(now(who).recovery_digests.split()),
    )


def case_step_take():
    who, app = factor()
    return lambda: second_factor._step_take(who, app, 2), lambda: now(who).factor_step - 1


def case_factor_set():
    who, app = user(), TOTP(random_base32())
    return (
        lambda: second_factor.factor_set(who, app, step=1),
        lambda: int(bool(now(who).factor_sealed)),
    )


def case_recovery_codes():
    who, _app = factor()
    before = who.recovery_digests
    return (
        lambda: second_factor.recovery_codes_new(who),
        lambda: int(now(who).recovery_digests != before),
    )


def case_factor_remove():
    who, _app = factor()
    return lambda: second_factor.factor_remove(who), lambda: int(not now(who).factor_sealed)


def case_session_of_before():
    Session.objects.create(session_key="k" * 32, expire_date=timezone.now())
    return (
        lambda: models._digest_instead("k" * 32, uuid4().hex),
        lambda: 1 - Session.objects.filter(session_key="k" * 32).count(),
    )


def case_session_save():
    before = Session.objects.count()
    store = SessionStore()
    store["x"] = 1
    return store.create, lambda: Session.objects.count() - before


def case_session_delete():
    store = SessionStore()
    store.create()
    before = Session.objects.count()
    return store.delete, lambda: before - Session.objects.count()


def order() -> programs.Order:
    return programs.Order(name="t", scopes=["read"], days=1)


def case_token_save():
    who = user()
    return (
        lambda: programs.token_create(order(), owner_id=who.pk, at=timezone.now()),
        lambda: Token.objects.filter(owner=who).count(),
    )


def case_token_used():
    who = user()
    token, _text = programs.token_create(order(), owner_id=who.pk, at=timezone.now())
    return (
        lambda: programs._token_used(token.pk, at=timezone.now()),
        lambda: int(now(token).last_used_at is not None),
    )


def case_token_revoke():
    who = user()
    token, _text = programs.token_create(order(), owner_id=who.pk, at=timezone.now())

    def revoke():
        assert programs.token_revoke(owner_id=who.pk, token_id=token.pk)

    return revoke, lambda: 1 - Token.objects.filter(owner=who).count()


def case_task_once():
    who, at, given = user(), timezone.now(), words()

    def make():
        programs.task_once(
            lambda: tasks.task_add(owner_id=who.pk, given=given, at=at),
            **{"owner_id": who.pk, "key": "k", "body": b"{}", "at": at},
        )

    def effect():
        assert IdempotencyKey.objects.filter(owner=who).count() == 1
        return Task.objects.filter(owner=who).count()

    return make, effect


def case_tombstones():
    digest = uuid4().hex
    grave = Tombstone(digest=digest, expires_at=timezone.now())
    return (
        lambda: programs._tombstones_save([grave]),
        lambda: Tombstone.objects.filter(digest=digest).count(),
    )


def case_changed():
    """As the client read it: said twice it would be refused, for the task is another by then."""
    row, at = task(), timezone.now()
    token, _text = programs.token_create(order(), owner_id=row.owner_id, at=at)
    tag = routes.task_response(RequestFactory().get("/"), now(row), at=at)["ETag"]
    request = RequestFactory().put("/", headers={"If-Match": tag})
    request.auth = token
    edit = {"owner_id": row.owner_id, "task_id": row.pk, "seen_at": row.deadline_at, "at": at}
    return (
        lambda: routes._changed(request, row.pk, lambda _: tasks.task_keep(**edit), at=at),
        lambda: (now(row).deadline_at - row.deadline_at) / timedelta(days=1),
    )


def case_page():
    """A page's POST: the session, the audit's line, when somebody signed in last."""
    who = user()

    def post():
        form = {"username": who.username, "password": PASSWORD}
        answer = Client(raise_request_exception=False).post("/agenda/sign-in/", form)
        if answer.status_code == 503:
            assert "Nul ne sait si c’est enregistré" in answer.content.decode()
            raise OutcomeUnknown(LOST, "said on the page")
        assert answer.status_code == 302

    def effect():
        found = AuditLine.objects.filter(account_id=who.pk).count()
        assert Session.objects.filter(user=who).count() == found
        return found

    return post, effect


def case_lease_take():
    name = uuid4().hex
    return (
        lambda: leases._take(name, "we", 60),
        lambda: Lease.objects.filter(name=name, holder="we").count(),
    )


def case_lease_extend():
    Lease.objects.all().delete()
    row = Lease.objects.create(name="t", holder="we", until=timezone.now())
    return (
        lambda: leases._extend("t", "we", 60),
        lambda: int(now(row).until > row.until),
    )


def case_lease_give_back():
    Lease.objects.all().delete()
    Lease.objects.create(name="t", holder="we", until=timezone.now())
    return lambda: leases._give_back("t", "we"), lambda: 1 - Lease.objects.count()


def case_forget_again():
    row = task()
    return (
        lambda: agenda_forget_again._erase_chunk(Task, [str(row.pk)]),
        lambda: 1 - Task.objects.filter(pk=row.pk).count(),
    )


def case_demo():
    def effect():
        (who,) = User.objects.filter(username=agenda_demo.NAME)
        return Task.objects.filter(owner=who).count() / len(agenda_demo.WEEK)

    return lambda: agenda_demo._fill(PASSWORD), effect


CASES = {
    "agenda.services.task_add": case_add,
    "agenda.services.task_edit": case_edit,
    "agenda.services._take_away": case_take_away,
    "agenda.services.series_end": case_series_end,
    "agenda.services.task_restore": case_restore,
    "agenda.services.task_keep": case_keep,
    "agenda.reminders._listened": case_listened,
    "agenda.reminders._claim": case_claim,
    "agenda.reminders._claim_waiting": case_claim_waiting,
    "agenda.reminders._claim_unheard": case_claim_unheard,
    "agenda.forgetting._repeat_chunk": case_repeat,
    "agenda.forgetting._erase_chunk": case_erase_chunk,
    "agenda.forgetting._erase": case_erase,
    "agenda.management.commands.agenda_demo._fill": case_demo,
    "agenda.leases._take": case_lease_take,
    "agenda.leases._extend": case_lease_extend,
    "agenda.leases._give_back": case_lease_give_back,
    "accounts.services.account_create": case_account,
    "accounts.services.first_admin_link_create": case_link,
    "accounts.services.first_admin_create": case_first_admin,
    "accounts.services.access_end": case_access_end,
    "accounts.services.calendar_open": case_calendar_open,
    "accounts.services.calendar_close": case_calendar_close,
    "accounts.services._account_erase": case_leave,
    "accounts.audit.note": case_note,
    "accounts.reset._note": case_reset_asked,
    "accounts.reset.reset_done": case_reset_done,
    "accounts.reset._email_save": case_email,
    "accounts.second_factor._recovery_take": case_recovery_take,
    "accounts.second_factor._step_take": case_step_take,
    "accounts.second_factor.factor_set": case_factor_set,
    "accounts.second_factor.recovery_codes_new": case_recovery_codes,
    "accounts.second_factor.factor_remove": case_factor_remove,
    "accounts.models._digest_instead": case_session_of_before,
    "accounts.models.SessionStore.save": case_session_save,
    "accounts.models.SessionStore.delete": case_session_delete,
    "accounts.access._written": case_page,
    "api.management.commands.agenda_forget_again._erase_chunk": case_forget_again,
    "api.services._token_save": case_token_save,
    "api.services._token_used": case_token_used,
    "api.services.token_revoke": case_token_revoke,
    "api.services.task_once": case_task_once,
    "api.services._tombstones_save": case_tombstones,
    "api.tasks._changed": case_changed,
}
# Of these nobody can be asked: they say so, and never twice is what holds.
UNKNOWN = {"accounts.access._written"}


def test_every_write_that_is_tried_again_stands_in_the_table():
    for package in (accounts, agenda, api):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)
    ours = {name for name in RETRIED if name.startswith(("accounts.", "agenda.", "api."))}
    assert ours == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_whatever_fails_at_a_commit_its_effect_is_there_once(mariadb, name):
    struck = 0
    for says, (code, after) in FAULTS.items():
        number, fault = 0, None
        while fault is None or fault.struck:
            act, effect = CASES[name]()
            number += 1
            fault = Fault(number, code, after=after)
            with failing(fault):
                try:
                    act()
                except OutcomeUnknown:
                    assert name in UNKNOWN, (says, number)
                    assert code in {CUT, LOST, LEFT}
                    continue
                finally:
                    struck += fault.struck
            assert effect() == 1, (says, number)
    assert struck >= len(FAULTS)


# --- the decorator ----------------------------------------------------------------------------


def test_a_loser_of_one_name_is_told_at_commit_and_then_by_the_name(mariadb):
    """A cluster says 1213 at COMMIT where a single server says that the key is there."""
    commit, name, lost = connection.commit, f"u{uuid4().hex[:12]}", []

    def lose():
        if lost:
            commit()
            return
        lost.append(1)
        connection.rollback()
        connection.set_autocommit(True)
        User.objects.create_user(name, password=PASSWORD)
        raise OperationalError(DEADLOCK, "by the test")

    with pytest.MonkeyPatch.context() as patched, pytest.raises(ValidationError) as told:
        patched.setattr(connection, "commit", lose)
        people.account_create(username=name, password=PASSWORD)
    assert "username" in told.value.error_dict
    assert User.objects.filter(username=name).count() == 1


def test_a_hook_that_fails_after_commit_is_not_a_write_that_failed(mariadb):
    who, made = user(), []

    @retried(whole=True)
    def write():
        made.append(task(who))

        def fail():
            raise OperationalError(DEADLOCK, "of a hook")

        transaction.on_commit(fail)

    with pytest.raises(OperationalError, match="of a hook"):
        write()
    RETRIED.pop(f"{write.__module__}.{write.__qualname__}")
    assert len(made) == Task.objects.filter(owner=who).count() == 1


@pytest.mark.parametrize(
    ("code", "tries"), [(DEADLOCK, retry.TRIES), (CUT, retry.TRIES), (1064, 1), (None, 1)]
)
def test_it_gives_up_in_the_end_and_at_once_for_what_no_try_mends(monkeypatch, code, tries):
    monkeypatch.setattr(retry, "PAUSE_S", 0)
    asked = []

    def once():
        asked.append(1)
        raise OperationalError(*filter(None, [code]))

    with pytest.raises(OperationalError) as told:
        retry._run(once, whole=False, ask=None)
    assert len(asked) == tries
    assert not isinstance(told.value, OutcomeUnknown)


def test_what_was_sent_and_cannot_be_asked_for_is_unknown(monkeypatch):
    monkeypatch.setattr(retry, "PAUSE_S", 0)

    def once():
        raise OperationalError(LOST, "by the test")

    for ask in (None, nobody_knows):
        with pytest.raises(OutcomeUnknown):
            retry._run(once, whole=False, ask=ask)


def test_who_waits_long_for_a_lock_waits_no_five_times(monkeypatch):
    monkeypatch.setattr(retry, "TRIED_FOR_S", -1)
    asked = []

    def once():
        asked.append(1)
        raise OperationalError(1205, "by the test")

    with pytest.raises(OperationalError):
        retry._run(once, whole=False, ask=None)
    assert len(asked) == 1


def test_the_journal_keeps_no_line_of_what_was_undone(mariadb, tmp_path, settings):
    settings.ERASED_JOURNAL = str(tmp_path)
    at = timezone.now()
    here = task(deadline_at=at)
    with failing(Fault(1, DEADLOCK, after=False)):
        forgetting._erase_chunk("deadline_at", at, 500, at=at)
    assert list(erased.lines()) == [f"agenda.task {here.pk}"]

    @retried(whole=True)
    def dies():
        erased.note(Task, ["another"], at=at)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dies()
    RETRIED.pop(f"{dies.__module__}.{dies.__qualname__}")
    assert list(erased.lines()) == [f"agenda.task {here.pk}"]


def test_the_journal_keeps_the_line_of_what_may_have_been_done(mariadb, tmp_path, settings):
    settings.ERASED_JOURNAL = str(tmp_path)
    row = task(removed_at=timezone.now() - UNDO_WINDOW)
    with failing(Fault(1, LOST, after=True)):
        forgetting._erase_chunk("removed_at", timezone.now(), 500, at=timezone.now())
    assert list(erased.lines()) == [f"agenda.task {row.pk}"]


def test_an_api_client_is_told_that_nobody_knows(mariadb, monkeypatch, client):
    who = user()
    _token, text = programs.token_create(
        programs.Order(name="t", scopes=["create"], days=1), owner_id=who.pk, at=timezone.now()
    )

    def lost(**_):
        raise OutcomeUnknown(LOST, "by the test")

    monkeypatch.setattr(tasks, "task_add", lost)
    answer = client.post(
        "/api/v1/tasks",
        {"title": "t", "deadline_at": "2999-01-01T10:00:00Z"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {text}"},
    )
    assert isinstance(answer, HttpResponse)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["type"] == "/api/v1/docs#problem-outcome-unknown"
