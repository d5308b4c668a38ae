"""Who may pass, without losing a word that was being written."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial, wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from django.contrib.auth import get_user, login
from django.contrib.messages.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.audit import What, note
from accounts.forms import CodeForm, SignInForm
from accounts.models import User
from config.middleware import FOR_MACHINES, Next
from config.retry import OutcomeUnknown, if_undone, nobody_knows, retried

View = Callable[..., HttpResponseBase]
# Not words of the user's: made anew on every page.
NOT_KEPT = {"csrfmiddlewaretoken", "username", "password", "code", "next"}
PREFIX = "kept-"
# It stands in an address itself, and nginx takes no longer ones than 8 KiB.
BACK_LENGTH_MAX = 500
BACKEND = "django.contrib.auth.backends.ModelBackend"
# In a session: who gave the right password and must give a code.
WAITING = "waiting_for_code"
CODE_WITHIN_S = 10 * 60
# What a member of staff may open without a second factor.
OPEN_TO_ALL = ("second-factor", "sign-out", "language", "worker")
# Which browser on what, as their User-Agent names them: the first that is found.
BROWSERS = {"Edg": "Edge", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    **{"Android": "Android", "iPhone": "iPhone", "iPad": "iPad"},
    **{"Windows": "Windows", "Mac OS": "macOS", "Linux": "Linux"},
}


def sign_in_required(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.method == "POST" and keeps_text(view):
            return ask_to_sign_in(request)
        return _lead(request, reverse("sign-in"))

    return guarded


def sign_in(
    request: HttpRequest, user: User, *, then: str, has_given_code: bool = False
) -> HttpResponse:
    """Where every way in ends: who has a second factor is asked for it."""
    if user.factor_sealed and not has_given_code:
        return _ask_for_code(request, user, then)
    login(request, user, backend=BACKEND)
    request.session.pop(WAITING, None)
    request.session["device"] = device(request)
    note(What.SIGN_IN, user.pk, request=request, detail=device(request))
    return words_again(request, then) or HttpResponseRedirect(then)


def _ask_for_code(request: HttpRequest, user: User, then: str) -> HttpResponse:
    request.session.cycle_key()  # who planted this cookie beforehand does not wait along
    request.session[WAITING] = {
        "user": str(user.pk),
        "password": user.get_session_auth_hash(),
        "since": time.time(),
    }
    context = {"form": CodeForm(request, user), "kept": kept_fields(request), "next": then}
    return render(request, "accounts/code.html", context)


def waiting_for_code(request: HttpRequest) -> User | None:
    """Who gave the right password a moment ago."""
    waiting = request.session.get(WAITING)
    if not waiting or time.time() - waiting["since"] > CODE_WITHIN_S:
        return None
    user = User.objects.filter(pk=waiting["user"], is_active=True).first()
    if user and constant_time_compare(user.get_session_auth_hash(), waiting["password"]):
        return user
    return None


class SecondFactorMiddleware:
    """Staff without a second factor is led to it before anything else."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in {*FOR_MACHINES, *map(reverse, OPEN_TO_ALL)}:
            return self.get_response(request)
        user = request.user
        if user.is_authenticated and user.is_staff and not user.factor_sealed:
            return _lead(request, reverse("second-factor"))
        return self.get_response(request)


def _lead(request: HttpRequest, address: str) -> HttpResponseRedirect:
    back = _way_back(request)
    return HttpResponseRedirect(f"{address}?next={quote(back)}" if back else address)


def _way_back(request: HttpRequest) -> str:
    """Where to go after signing in: here, or to the page whose button was pressed, for the
    button's own address shows nothing. Empty when the browser does not say which page that was.
    """
    if request.method in {"GET", "HEAD"}:
        back = request.get_full_path()
        return back if len(back) <= BACK_LENGTH_MAX else request.path
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()}):
        return ""
    back = urlunsplit(("", "", *urlsplit(page)[2:4], ""))
    return back if len(back) <= BACK_LENGTH_MAX else ""


def written(view: View) -> View:
    """Around a page that writes: all that a POST writes, failed passwords and the session included,
    is one transaction, and is tried again with the request as it came.
    """

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        key, _read = request.session.session_key, request.POST
        came = vars(request).copy()

        def as_it_came() -> None:
            vars(request).clear()
            vars(request).update(came)
            vars(request).pop("_cached_user", None)
            request.session = type(request.session)(key)
            request.user = SimpleLazyObject(partial(get_user, request))  # type: ignore[assignment] # as Django's own
            request._messages = default_storage(request)  # type: ignore[attr-defined] # likewise

        try:
            return _written(partial(view, request, *args, **kwargs), as_it_came)
        except OutcomeUnknown:
            as_it_came()  # what is in the session may not be in the database
            raise

    return run


@retried(whole=True, unless=nobody_knows)
def _written(make: Callable[[], HttpResponseBase], undone: Callable[[], None]) -> HttpResponseBase:
    if_undone(undone)
    return make()


def signed_in(request: HttpRequest) -> User:
    """Who asks, behind sign_in_required."""
    user = request.user
    if not isinstance(user, User):
        raise Http404("nobody signed in")
    return user


def device(request: HttpRequest) -> str:
    """Enough for a person to know their own machines by."""
    agent = request.headers.get("User-Agent", "")
    found = (
        next((name for word, name in names.items() if word in agent), "")
        for names in (BROWSERS, SYSTEMS)
    )
    return ", ".join(filter(None, found))


def text_keeping(view: View) -> View:
    """Marks a view that shows its form again, unsaved, with the fields of `words_kept`.

    The innermost decorator: those around it copy the mark, `sign_in_required` must see it.
    """
    view.keeps_text = True  # type: ignore[attr-defined] # a mark on a function
    return view


def keeps_text(view: View) -> bool:
    return bool(getattr(view, "keeps_text", False))


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """The session ended while somebody wrote: the sign-in page carries the words along."""
    return _sign_in_page(request, words_along(request))


def _sign_in_page(request: HttpRequest, along: dict[str, Any]) -> HttpResponse:
    context = {"form": SignInForm(request)} | along
    return render(request, "accounts/sign_in.html", context, status=HTTPStatus.UNAUTHORIZED)


def words_along(request: HttpRequest) -> dict[str, Any]:
    """For a page with words that are not saved: what its other forms carry along in kept.html."""
    words = words_kept(request) or request.POST
    kept = [(PREFIX + name, value) for name, value in words.items() if name not in NOT_KEPT]
    return {"kept": kept, "next": request.path}


def kept_fields(request: HttpRequest) -> list[tuple[str, Any]]:
    """The words that a form carried along, as its hidden fields."""
    return [(name, value) for name, value in request.POST.items() if name.startswith(PREFIX)]


def words_carried(request: HttpRequest) -> QueryDict | None:
    """The words that a form carried along; None when there were none."""
    words = QueryDict(mutable=True)
    for name, value in kept_fields(request):
        words[name.removeprefix(PREFIX)] = str(value)
    return words or None


def words_kept(request: HttpRequest) -> QueryDict | None:
    """What a text-keeping view shall fill its form with, instead of saving it."""
    kept: QueryDict | None = getattr(request, "words_kept", None)
    return kept


def words_again(request: HttpRequest, path: str) -> HttpResponse | None:
    """The page at `path` with the words that were carried along; None when there are none. Who is
    not signed in is asked to sign in, with the words carried on.
    """
    words = words_carried(request)
    if words is None:
        return None
    if request.user.is_authenticated:
        return show_again(request, path, words)
    return _sign_in_page(request, {"kept": kept_fields(request), "next": path})


def show_again(request: HttpRequest, path: str, words: QueryDict) -> HttpResponse | None:
    """The form at `path`, filled with `words` and not saved; None when nothing there keeps text."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    if not keeps_text(match.func):
        return None
    request.method, request.path = "GET", path
    request.words_kept = words  # type: ignore[attr-defined] # read back by words_kept
    page: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return page
