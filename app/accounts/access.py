"""Who may pass, without losing a word that was being written."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve, reverse

from accounts.forms import SignInForm
from accounts.models import User

View = Callable[..., HttpResponseBase]
# Not words of the user's: made anew on every page.
NOT_KEPT = {"csrfmiddlewaretoken", "username", "password", "next"}
PREFIX = "kept-"


def sign_in_required(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.method == "POST" and keeps_text(view):
            return ask_to_sign_in(request)
        return HttpResponseRedirect(f"{reverse('sign-in')}?next={quote(request.path)}")

    return guarded


def signed_in(request: HttpRequest) -> User:
    """Who asks, behind sign_in_required."""
    user = request.user
    if not isinstance(user, User):
        raise Http404("nobody signed in")
    return user


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
    kept = [(PREFIX + name, value) for name, value in request.POST.items() if name not in NOT_KEPT]
    context = {"form": SignInForm(request), "next": request.path, "kept": kept}
    return render(request, "accounts/sign_in.html", context, status=HTTPStatus.UNAUTHORIZED)


def words_carried(request: HttpRequest) -> QueryDict | None:
    """The words that the sign-in page carried along; None when there were none."""
    words = QueryDict(mutable=True)
    for name, value in request.POST.items():
        if name.startswith(PREFIX):
            words[name.removeprefix(PREFIX)] = str(value)
    return words or None


def words_kept(request: HttpRequest) -> QueryDict | None:
    """What a text-keeping view shall fill its form with, instead of saving it."""
    kept: QueryDict | None = getattr(request, "words_kept", None)
    return kept


def show_again(request: HttpRequest, path: str, words: QueryDict) -> HttpResponse | None:
    """The form at `path`, filled with `words` and not saved; None when nothing there keeps text."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    if not keeps_text(match.func):
        return None
    request.method = "GET"
    request.words_kept = words  # type: ignore[attr-defined] # read back by words_kept
    page: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return page
