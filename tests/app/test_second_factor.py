"""A code beside the password: how it is set up, that every way in asks for it, what it refuses."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from axes.models import AccessAttempt
from django.conf import settings as configured
from django.contrib.auth import SESSION_KEY
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pyotp import TOTP, random_base32

from accounts import access, second_factor
from accounts.models import AuditLine, Session, User
from accounts.reset import reset_path
from accounts.second_factor import code_take, factor_set, opened, seal, step_of
from accounts.services import account_create, first_admin_link_create
from agenda.models import Task

PASSWORD = "a long enough password"
APP = TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
SIGN_IN, CODE = "/agenda/sign-in/", "/agenda/sign-in/code/"
PAGE = "/agenda/account/second-factor/"


@pytest.fixture
def recovery(alice):
    """Alice has a second factor, whose first code was long ago."""
    codes = factor_set(alice, APP, step=1)
    alice.refresh_from_db()
    return codes


def code_of(*, steps: int = 0) -> str:
    return APP.at(timezone.now(), counter_offset=steps)


def gives_password(client, **more):
    return client.post(SIGN_IN, {"username": "alice", "password": PASSWORD} | more)


def is_in(client) -> bool:
    return SESSION_KEY in client.session


def is_asked_for_a_code(answer) -> bool:
    return b'autocomplete="one-time-code"' in answer.content


def test_a_code_lets_in_after_the_password(client, recovery):
    assert is_asked_for_a_code(gives_password(client, next="/agenda/month/"))
    assert not is_in(client)
    answer = client.post(CODE, {"code": code_of(), "next": "/agenda/month/"})
    assert answer["Location"] == "/agenda/month/"
    assert is_in(client)
    assert client.session["device"] == ""
    assert access.WAITING not in client.session


def by_page(client, alice):
    return gives_password(client)


def by_the_administrations_page(client, alice):
    asked = client.get("/admin/", follow=True)
    assert asked.redirect_chain[-1][0] == f"{SIGN_IN}?next=%2Fadmin%2F"
    client.post("/admin/login/", {"username": "alice", "password": PASSWORD})
    assert not is_in(client), "the administration's own form lets nobody in"
    return gives_password(client, next="/admin/")


def with_words_that_were_being_written(client, alice):
    return gives_password(client, **{"kept-title": "Half", "next": "/agenda/tasks/new/"})


def by_a_new_password(client, alice):
    here = client.get(reset_path(alice), follow=True).redirect_chain[-1][0]
    client.post(here, {"new_password1": "quite another one", "new_password2": "quite another one"})
    assert not is_in(client)
    return client.post(SIGN_IN, {"username": "alice", "password": "quite another one"})


@pytest.mark.parametrize(
    "way",
    [by_page, by_the_administrations_page, with_words_that_were_being_written, by_a_new_password],
)
@pytest.mark.parametrize("is_staff", [False, True], ids=["user", "staff"])
def test_every_way_in_asks_for_the_code(client, alice, recovery, way, is_staff):
    User.objects.update(is_staff=is_staff, is_superuser=is_staff)
    answer = way(client, alice)
    assert is_asked_for_a_code(answer)
    for path in ("/agenda", "/admin/", PAGE):
        assert client.get(path).status_code == 302
    client.post(CODE, {"code": code_of()})
    assert is_in(client)


@pytest.mark.parametrize("path", ["/agenda/sign-up/", "first admin"])
def test_a_new_account_is_let_in_for_it_has_none(client, db, path):
    if path == "first admin":
        path = reverse("first-admin", args=[first_admin_link_create(at=timezone.now())])
    client.post(path, {"username": "eve", "password1": PASSWORD, "password2": PASSWORD})
    assert is_in(client)


def test_one_function_signs_people_in():
    app = Path(configured.BASE_DIR)
    calls = [
        str(file.relative_to(app))
        for file in app.rglob("*.py")
        for _ in re.findall(r"(?<![\w.])(?:auth_)?login\(", file.read_text("utf-8"))
    ]
    assert calls == ["accounts/access.py"]


def test_words_come_back_after_the_code(client, recovery):
    asked = with_words_that_were_being_written(client, None)
    kept = dict(asked.context["kept"]) | {"next": asked.context["next"]}
    shown = client.post(CODE, kept | {"code": code_of()})
    assert 'value="Half"' in shown.content.decode()
    assert not Task.objects.exists()


def test_a_wrong_code_is_said_and_the_words_stay(client, recovery):
    with_words_that_were_being_written(client, None)
    given = {"code": "000000", "kept-title": "Half", "next": "/agenda/tasks/new/"}
    answer = client.post(CODE, given)
    assert answer.context["form"].errors["code"]
    assert 'name="kept-title" value="Half"' in answer.content.decode()
    assert not is_in(client)


def test_a_code_never_leads_to_another_site(client, recovery):
    gives_password(client)
    answer = client.post(CODE, {"code": code_of(), "next": "https://elsewhere.example/"})
    assert answer["Location"] == "/agenda"


def test_a_code_without_a_password_lets_nobody_in(client, recovery):
    assert client.get(CODE)["Location"] == SIGN_IN
    assert client.post(CODE, {"code": code_of()})["Location"] == SIGN_IN
    assert not is_in(client)


def test_who_waits_too_long_or_got_a_new_password_begins_anew(client, alice, recovery, monkeypatch):
    gives_password(client)
    monkeypatch.setattr(access, "CODE_WITHIN_S", -1)
    assert client.post(CODE, {"code": code_of()})["Location"] == SIGN_IN
    monkeypatch.undo()
    assert client.get(CODE).status_code == 200
    alice.set_password("quite another one")
    alice.save()
    assert client.post(CODE, {"code": code_of()})["Location"] == SIGN_IN
    assert not is_in(client)


def test_the_session_of_before_is_another_one_at_each_step(client, recovery):
    client.session.save()
    keys = [client.cookies.get("sessionid", None) and client.cookies["sessionid"].value]
    gives_password(client)
    keys.append(client.cookies["sessionid"].value)
    client.post(CODE, {"code": code_of()})
    keys.append(client.cookies["sessionid"].value)
    assert len(set(keys)) == 3


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_may_differ_by_half_a_minute(steps):
    at = timezone.now()
    step = APP.timecode(at)
    assert step_of(APP, APP.at(at, counter_offset=steps), at=at) == step + steps


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_clock_may_not_differ_by_a_minute(steps):
    at = timezone.now()
    assert step_of(APP, APP.at(at, counter_offset=steps), at=at) == 0


@pytest.mark.parametrize("steps", [-1, 0])
def test_a_code_is_taken_once_and_none_before_it(alice, recovery, steps):
    at = timezone.now()
    assert code_take(alice, APP.at(at), at=at)
    alice.refresh_from_db()
    assert not code_take(alice, APP.at(at, counter_offset=steps), at=at)
    assert code_take(alice, APP.at(at, counter_offset=1), at=at)


def test_of_two_who_send_the_same_code_at_once_one_is_let_in(alice, recovery):
    at, same = timezone.now(), User.objects.get()
    for code in (APP.at(at), recovery[0]):
        assert [code_take(alice, code, at=at), code_take(same, code, at=at)] == [True, False]


def test_a_recovery_code_counts_once(client, alice, recovery):
    for code, lets_in in ((recovery[3], True), (recovery[3], False), (recovery[4], True)):
        browser = Client()
        gives_password(browser)
        browser.post(CODE, {"code": code})
        assert is_in(browser) is lets_in
    alice.refresh_from_db()
    assert len(alice.recovery_digests.split()) == 8


def test_a_code_may_be_typed_with_spaces_or_without(alice, recovery):
    at = timezone.now()
    assert code_take(alice, recovery[0].replace(" ", ""), at=at)
    code = APP.at(at)
    assert code_take(alice, f"{code[:3]} {code[3:]}", at=at)


@pytest.mark.parametrize("code", ["", "1", "12345", "abcdef", "é" * 40, "0" * 16, "١٢٣٤٥٦"])
def test_what_is_no_code_is_none(alice, recovery, code):
    assert not code_take(alice, code, at=timezone.now())


def test_who_has_none_has_no_code_either(alice):
    assert not code_take(alice, code_of(), at=timezone.now())
    assert not code_take(alice, "0" * 16, at=timezone.now())


def test_codes_count_in_the_throttle_of_passwords(client, alice, recovery):
    gives_password(client)
    for _ in range(6):
        answer = client.post(CODE, {"code": "000000"})
    assert answer.status_code == 429
    assert client.post(CODE, {"code": code_of()}).status_code == 429
    assert gives_password(Client()).status_code == 429
    assert "000000" not in str(list(AccessAttempt.objects.values()))


def tries_from_everywhere(**given):
    """Someone with many addresses, none of which the throttle turns away yet."""
    for number in range(8):
        browser = Client(REMOTE_ADDR=f"10.20.28.{number}")
        for _ in range(5):
            gives_password(browser, **given)
            browser.post(CODE, {"code": "000000"})


def test_a_million_codes_are_not_tried_from_many_addresses(client, recovery):
    tries_from_everywhere()
    gives_password(client)
    answer = client.post(CODE, {"code": code_of()}, headers={"Accept-Language": "en"})
    assert "Too many wrong codes" in answer.content.decode()
    assert not is_in(client)
    AuditLine.objects.update(at=timezone.now() - timedelta(hours=1))
    client.post(CODE, {"code": code_of()})
    assert is_in(client)


def test_who_does_not_know_the_password_keeps_nobody_from_giving_codes(client, recovery):
    tries_from_everywhere(password="wrong")
    gives_password(client)
    client.post(CODE, {"code": code_of()})
    assert is_in(client)


def test_the_right_password_forgives_no_wrong_code(client, recovery):
    for _ in range(3):
        gives_password(client)
        client.post(CODE, {"code": "000000"})
        answer = client.post(CODE, {"code": "000001"})
    assert answer.status_code == 429


def test_who_reads_the_database_learns_neither_secret_nor_recovery_code(page, recovery):
    row, secret = str(User.objects.values().get()), APP.secret
    assert secret not in row
    assert not [code for code in recovery if code.replace(" ", "") in row]


def test_what_is_sealed_for_one_says_nothing_to_another(alice, bob):
    """Else who reads the table could set another's up as their own, and be shown the secret."""
    sealed = seal(alice, APP)
    assert opened(alice, sealed).secret == APP.secret
    assert opened(bob, sealed).secret != APP.secret


def test_nothing_is_sealed_twice_alike(alice, recovery):
    before = User.objects.get().factor_sealed
    assert code_take(alice, code_of(), at=timezone.now())
    assert User.objects.get().factor_sealed[:32] != before[:32]


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_new_key_of_the_site_ends_no_second_factor_that_is_used_meanwhile(
    alice, recovery, settings, kind
):
    before, at = settings.SECRET_KEY, timezone.now()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "x" * 50, [before]
    assert code_take(alice, APP.at(at) if kind == "app" else recovery[0], at=at)
    settings.SECRET_KEY_FALLBACKS = []
    alice.refresh_from_db()
    assert code_take(alice, APP.at(at, counter_offset=1), at=at)
    alice.refresh_from_db()
    assert code_take(alice, recovery[1], at=at)


def test_another_key_opens_nothing(alice, recovery, settings):
    settings.SECRET_KEY = "x" * 50
    assert not code_take(alice, code_of(), at=timezone.now())
    assert not code_take(alice, recovery[0], at=timezone.now())


def shown(client, path=PAGE):
    """What the app takes from the page, and the form with its code now."""
    page = client.get(path)
    app = TOTP(page.context["secret"].replace(" ", ""))
    sealed = re.findall(r'name="sealed" value="(\w+)"', page.content.decode())[0]
    return app, {"sealed": sealed, "code": app.at(timezone.now()), "password": PASSWORD}


def sets_up(client, path=PAGE, **more):
    return client.post(path, shown(client, path)[1] | more)


def test_it_is_set_up_with_a_code_and_the_password(page, alice):
    other = Client()
    other.force_login(alice)
    answer = sets_up(page)
    assert len(answer.context["codes"]) == second_factor.RECOVERY_CODES
    assert all(code in answer.content.decode() for code in answer.context["codes"])
    assert is_asked_for_a_code(gives_password(Client()))
    assert page.get("/agenda").status_code == 200
    assert other.get("/agenda").status_code == 302, "nobody gave a code there"
    alice.refresh_from_db()
    assert code_take(alice, answer.context["codes"][9], at=timezone.now())


def test_the_code_that_set_it_up_lets_nobody_in(page, alice):
    _, given = shown(page)
    page.post(PAGE, given)
    thief = Client()
    gives_password(thief)
    thief.post(CODE, {"code": given["code"]})
    assert not is_in(thief)


@pytest.mark.parametrize("sealed", ["", "x", "0" * 71, "é" * 72, " " + "0" * 72])
def test_a_key_that_no_page_of_ours_showed_begins_anew(page, alice, sealed):
    assert sets_up(page, sealed=sealed)["Location"] == PAGE


@pytest.mark.parametrize(
    "wrong", [{"code": "000000"}, {"password": "wrong"}, {"code": ""}, {"sealed": "0" * 72}]
)
def test_a_wrong_code_or_password_sets_nothing_up(page, alice, wrong):
    app, given = shown(page)
    answer = page.post(PAGE, given | wrong)
    assert answer.status_code == 422
    if "sealed" not in wrong:
        assert answer.context["secret"].replace(" ", "") == app.secret, "the app has it already"
    alice.refresh_from_db()
    assert alice.factor_sealed == ""


def test_a_second_click_sets_nothing_up_anew(page, alice):
    page.get(PAGE)
    stale = User.objects.get()
    assert factor_set(alice, APP, step=1)
    assert factor_set(stale, TOTP(random_base32()), step=1) == []
    alice.refresh_from_db()
    assert opened(alice, alice.factor_sealed).secret == APP.secret


def test_recovery_codes_are_made_anew_with_the_password(page, alice, recovery):
    assert page.post(PAGE, {"codes": "", "password": "wrong"}).status_code == 422
    new = page.post(PAGE, {"codes": "", "password": PASSWORD}).context["codes"]
    alice.refresh_from_db()
    at = timezone.now()
    assert not code_take(alice, recovery[0], at=at)
    assert code_take(alice, new[0], at=at)


def test_it_is_removed_with_the_password(page, alice, recovery):
    assert page.post(PAGE, {"remove": "", "password": "wrong"}).status_code == 422
    assert page.post(PAGE, {"remove": "", "password": PASSWORD})["Location"] == "/agenda/account/"
    alice.refresh_from_db()
    assert (alice.factor_sealed, alice.factor_step, alice.recovery_digests) == ("", 0, "")
    browser = Client()
    gives_password(browser)
    assert is_in(browser)


def test_staff_without_it_is_led_to_it_before_anything_else(page, alice):
    User.objects.update(is_staff=True, is_superuser=True)
    for path in (
        "/agenda",
        "/admin/",
        "/admin/accounts/user/",
        "/agenda/account/",
        "/agenda/nothing",
    ):
        assert page.get(path)["Location"].startswith(PAGE), path
    assert page.post("/agenda/tasks/new/", {"title": "x"})["Location"] == PAGE
    assert not Task.objects.exists()
    answer = page.get("/admin/")
    assert answer["Location"] == f"{PAGE}?next=/admin/"
    assert sets_up(page, answer["Location"]).context["then"] == "/admin/"
    assert page.get("/admin/").status_code == 200


def test_staff_without_it_can_still_sign_out_and_choose_a_language(page, alice):
    User.objects.update(is_staff=True)
    assert page.post("/agenda/language/", {"language": "fr", "next": PAGE})["Location"] == PAGE
    assert 'lang="fr"' in page.get(PAGE).content.decode()
    assert page.post("/agenda/sign-out/")["Location"] == SIGN_IN


def test_staff_who_removes_it_is_led_to_it_again(page, alice, recovery):
    User.objects.update(is_staff=True)
    page.post(PAGE, {"remove": "", "password": PASSWORD})
    assert page.get("/agenda")["Location"].startswith(PAGE)


def test_setting_it_up_never_leads_to_another_site(page, alice):
    address = f"{PAGE}?next=https://elsewhere.example/"
    assert sets_up(page, address).context["then"] == "/agenda/account/"


def test_the_administration_is_no_loop_for_who_may_not_see_it(page):
    answer = page.get("/admin/", follow=True)
    assert answer.status_code == 403


def test_the_administrations_password_page_is_the_accounts(page, alice, recovery):
    User.objects.update(is_staff=True)
    assert page.get("/admin/password_change/")["Location"] == "/agenda/account/password/"


def test_a_new_password_leaves_the_second_factor_alone(page, alice, recovery):
    given = {"old_password": PASSWORD} | dict.fromkeys(
        ("new_password1", "new_password2"), "quite another one"
    )
    assert page.post("/agenda/account/password/", given).status_code == 302
    assert User.objects.get().factor_sealed == alice.factor_sealed


def test_the_export_says_that_there_is_one_and_nothing_of_it(page, alice, recovery):
    text = page.post("/agenda/account/export/", {"password": PASSWORD}).getvalue().decode()
    assert json.loads(text)["second_factor"] == {"is_on": True, "recovery_codes_left": 10}
    alice.refresh_from_db()
    for secret in (alice.factor_sealed, APP.secret, *alice.recovery_digests.split()):
        assert secret not in text


def test_it_costs_an_ordinary_page_no_question(page, alice):
    def asked() -> int:
        with CaptureQueriesContext(connection) as questions:
            assert page.get("/agenda").status_code == 200
        return len(questions)

    before = asked()
    User.objects.update(is_staff=True, factor_sealed="set up")
    assert asked() == before


def test_the_codes_of_a_phone_are_those_of_the_standard():
    """RFC 6238, appendix B: the key of its example at its times, six digits of eight."""
    assert [APP.at(at) for at in (59, 1111111109, 2000000000)] == ["287082", "081804", "279037"]


def test_a_probe_needs_none(client, db):
    account_create(username="probe", password=PASSWORD, is_probe=True)
    client.post(SIGN_IN, {"username": "probe", "password": PASSWORD})
    assert client.get("/agenda").status_code == 200


def test_a_session_that_waits_is_erased_as_others_are(client, recovery):
    gives_password(client)
    assert Session.objects.get().expire_date < timezone.now() + timedelta(days=15)


def reset_by_operator(name):
    out = StringIO()
    call_command("agenda_factor_reset", name, stdout=out)
    return out.getvalue()


def test_the_operator_removes_a_lost_one_and_every_session(client, page, alice, recovery):
    assert "password alone" in reset_by_operator("ALICE")
    assert page.get("/agenda").status_code == 302
    gives_password(client)
    assert is_in(client)


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_the_operator_is_told_when_there_is_none(alice, name):
    with pytest.raises(CommandError, match=rf"no account named '{name}'.*\n  Next: "):
        reset_by_operator(name)
