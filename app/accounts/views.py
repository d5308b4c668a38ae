"""Signing up, in and out; the account; the first administrator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import (
    LoginView,
    LogoutView,
    PasswordChangeView,
    PasswordResetConfirmView,
    RedirectURLMixin,
)
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone, translation
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language, get_language_from_request, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.generic import FormView

from accounts.access import (
    kept_fields,
    sign_in,
    sign_in_required,
    signed_in,
    waiting_for_code,
    words_again,
)
from accounts.audit import SHOWN, What, lines_of, note, note_refusal
from accounts.export import export
from accounts.forms import (
    CodeForm,
    EmailForm,
    NewPasswordForm,
    PasswordAgain,
    PasswordForm,
    PreferencesForm,
    ResetForm,
    SignInForm,
    SignUpForm,
)
from accounts.models import User, session_digest
from accounts.reset import Asked, email_change, reset_ask, reset_done
from accounts.services import (
    access_end,
    account_create,
    account_remove,
    calendar_close,
    calendar_open,
    first_admin_create,
    first_admin_link_is_open,
    sessions_of,
)
from config.middleware import client_address


class SignInView(LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:  # in another tab: the words of this one are shown too
            again = words_again(request, self.get_success_url())
            if again is not None:
                return again
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        return sign_in(self.request, form.get_user(), then=self.get_success_url())

    def form_invalid(self, form: Any) -> HttpResponse:
        note_refusal(self.request, self.request.POST.get("username", ""))
        return super().form_invalid(form)

    def get_form_kwargs(self) -> dict[str, Any]:
        given: dict[str, Any] = super().get_form_kwargs()
        if "username" not in self.request.POST:  # only words, carried here from another page
            given["data"] = given["files"] = None
        return given

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"kept": kept_fields(self.request)}


@method_decorator(sensitive_post_parameters(), name="dispatch")
class CodeView(RedirectURLMixin, FormView):  # type: ignore[type-arg] # generic to mypy only
    """The second step, for who gave the right password a moment ago."""

    template_name = "accounts/code.html"
    form_class = CodeForm
    next_page = "agenda"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.user = waiting_for_code(request)
        if self.user is None:
            return words_again(request, self.get_success_url()) or redirect("sign-in")
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request, "user": self.user}

    def form_valid(self, form: Any) -> HttpResponse:
        then = self.get_success_url()
        return sign_in(self.request, form.user, then=then, has_given_code=True)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        words = {"kept": kept_fields(self.request), "next": self.get_redirect_url()}
        return super().get_context_data(**kwargs) | words


def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """In the place of the administration's own page, which asks for a password alone."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect(f"{reverse('sign-in')}?{request.GET.urlencode()}")


class SignOutView(LogoutView):
    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        done: HttpResponse = super().post(request, *args, **kwargs)
        # Not "cookies": the language of the machine is nobody's secret.
        done["Clear-Site-Data"] = '"cache", "storage"'
        return done


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if not settings.SIGNUP_OPEN:
        lead = _("This agenda is not open for sign-up. Ask the people who run it for an account.")
        return _door(request, _("No new accounts"), lead, back=_("Sign in"), status=403)
    if request.user.is_authenticated:
        return redirect("agenda")
    lead = _(
        "A name and a password are enough. What you write here is yours alone, and forgotten when "
        "its time has passed."
    )
    way_back = {"before_back": _("Been here before?"), "back": _("Sign in")}
    words = {"title": _("Make an account"), "lead": lead, "button": _("Make my account")}
    return _sign_up(request, account_create, words | way_back)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def first_admin(request: HttpRequest, token: str) -> HttpResponse:
    at = timezone.now()
    if not first_admin_link_is_open(token, at=at):
        raise Http404("used, too old, or never given out")
    make = partial(first_admin_create, token=token, at=at)
    lead = _(
        "This link works once. Choose the name and the password of this agenda's administrator."
    )
    words = {"lead": lead, "button": _("Make the administrator")}
    return _sign_up(request, make, words | {"title": _("The first administrator")})


def _sign_up(
    request: HttpRequest, make: Callable[..., User | None], words: dict[str, Any]
) -> HttpResponse:
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = make(**form.account())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            if user is None:
                raise Http404("the link was used a moment ago")
            return sign_in(request, user, then=reverse("agenda"))
    return _door(request, **words, form=form)


def _door(
    request: HttpRequest, title: str, lead: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    """A page for who is not signed in; `more`: a form with its button, the way back."""
    context = {"title": title, "lead": lead} | more
    return render(request, "accounts/door.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def account(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = PreferencesForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        user.save(update_fields=list(form.fields))
        if not user.language:
            request.COOKIES.pop(settings.LANGUAGE_COOKIE_NAME, None)
        translation.activate(user.language or get_language_from_request(request))
        messages.success(request, _("Saved."))
        response = redirect("account")
        if user.language:
            _remember_language(response, user.language)
        else:
            response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
        return response
    status = 422 if form.errors else 200
    links = [
        ("password", _("Change the password")),
        ("second-factor", _("Second step at sign-in")),
        *([("email", _("Change the email address"))] if settings.MAIL_ENABLED else []),
        ("sessions", _("Where I am signed in")),
        ("calendar", _("Calendar feed")),
        *([("tokens", _("Tokens for programs"))] if settings.API_ENABLED else []),
        ("export", _("Take all my data with me")),
        ("leave", _("Delete my account")),
    ]
    context = {"form": form, "links": links, "audit_days": settings.AUDIT_DAYS}
    context["lines"] = lines_of(user)[:SHOWN]
    return render(request, "accounts/account.html", context, status=status)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def calendar(request: HttpRequest) -> HttpResponse:
    """Open, replace or close the feed. Its address is shown once: only its digest is kept."""
    user = signed_in(request)
    address = ""
    if request.method == "POST" and "close" in request.POST:
        calendar_close(user)
        messages.success(request, _("The feed is closed."))
        return redirect("calendar")
    form = PasswordAgain(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        path = reverse("calendar-feed", args=[calendar_open(user)])
        address = request.build_absolute_uri(path)
    is_open = bool(address or user.calendar_sha256)
    context = {"form": form, "address": address, "is_open": is_open}
    status = 422 if form.errors else 200
    return render(request, "accounts/calendar.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def sessions(request: HttpRequest) -> HttpResponse:
    """Where the user is signed in. Each but this one can be ended here, and all of them at once."""
    found, own = sessions_of(signed_in(request)), session_digest(request.session.session_key)
    if request.method == "POST":
        others = found.exclude(pk=own)
        if "others" not in request.POST:
            others = others.filter(pk__in=request.POST.getlist("end"))
        others.delete()
        note(What.SESSIONS_ENDED, request.user.pk, request=request)
        messages.success(request, _("Signed out there."))
        return redirect("sessions")
    return render(request, "accounts/sessions.html", {"sessions": found, "own": own})


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def email(request: HttpRequest) -> HttpResponse:
    _mail_required()
    user = signed_in(request)
    form = EmailForm(request, request.POST or None, initial={"email": user.email})
    if request.method == "POST" and form.is_valid():
        email_change(user, form.cleaned_data["email"], language=get_language() or "fr")
        note(What.EMAIL_CHANGED, user.pk, request=request)
        messages.success(request, _("Saved."))
        return redirect("account")
    title, button = _("Change the email address"), _("Change it")
    lead = _("Only for the day you forget your password. The old address is told of the change.")
    return _form_page(request, form, title=title, lead=lead, button=button)


def _form_page(request: HttpRequest, form: Any, **words: str) -> HttpResponse:
    status = 422 if form.errors else 200
    return render(request, "accounts/form.html", {"form": form} | words, status=status)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def export_all(request: HttpRequest) -> HttpResponseBase:
    form = PasswordAgain(request, request.POST or None)
    if request.method != "POST" or not form.is_valid():
        title, button = _("Take all my data with me"), _("Download it")
        lead = _("A file with your account, your tokens' names and your tasks.")
        return _form_page(request, form, title=title, lead=lead, button=button)
    return StreamingHttpResponse(
        export(signed_in(request), at=timezone.now()),
        content_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="agenda.json"'},
    )


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def leave(request: HttpRequest) -> HttpResponse:
    """Delete the account with all it holds."""
    user = signed_in(request)
    form = PasswordAgain(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        logout(request)
        account_remove(user)
        messages.success(request, _("Your account and all it held are gone."))
        return redirect("sign-in")
    title, button = _("Delete my account"), _("Delete everything")
    lead = _("The account, its tasks and their sound are erased at once. This cannot be undone.")
    return _form_page(request, form, title=title, lead=lead, button=button, kind="danger")


class PasswordView(PasswordChangeView):
    form_class = PasswordForm
    template_name = "accounts/form.html"
    success_url = reverse_lazy("account")
    extra_context = {
        "title": gettext_lazy("Change the password"),
        "lead": gettext_lazy("Other devices are signed out; all tokens and the feed end."),
        "button": gettext_lazy("Change it"),
    }

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        done = super().form_valid(form)
        access_end(signed_in(self.request), kept=self.request.session.session_key)
        note(What.PASSWORD_CHANGED, form.user.pk, request=self.request)
        messages.success(self.request, _("Your password is changed. Other devices are signed out."))
        return done


@require_http_methods(["GET", "HEAD", "POST"])
def reset(request: HttpRequest) -> HttpResponse:
    """Ask for a link by email. The answer says nothing of whether there is such an account."""
    _mail_required()
    form = ResetForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        lead = _(
            "If your account knows your email address, a link to choose a new password is sent "
            "there."
        )
        words = {"button": _("Send me the link"), "back": _("Back to sign in")}
        status = 422 if form.errors else 200
        return _door(request, _("Forgotten password"), lead, form=form, status=status, **words)
    wait_s = reset_ask(
        Asked(
            email=form.cleaned_data["email"],
            client=client_address(request),
            language=get_language() or "fr",
            at=timezone.now(),
        )
    )
    if wait_s:
        lead = _(
            "The link was asked for several times already. Look at your mail, or try again in an "
            "hour."
        )
        back = _("Back to sign in")
        page = _door(request, _("Too many attempts"), lead, back=back, status=429)
        page["Retry-After"] = str(wait_s)
        return page
    return redirect("reset-sent")


@require_http_methods(["GET", "HEAD"])
def reset_sent(request: HttpRequest) -> HttpResponse:
    _mail_required()
    lead = _(
        "If an account here has that address, the link is on its way. It may take a minute, and it "
        "may lie among the unwanted."
    )
    return _door(request, _("Look at your mail"), lead, back=_("Back to sign in"))


class ResetLinkView(PasswordResetConfirmView):
    """The link works once: it hangs on the password that it changes. Operators hand such links out
    too (agenda_demo), so it works where no email is sent.
    """

    template_name = "accounts/reset_link.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("sign-in")

    def form_valid(self, form: Any) -> HttpResponse:
        done = super().form_valid(form)
        reset_done(form.user)
        note(What.PASSWORD_RESET, form.user.pk, request=self.request)
        messages.success(self.request, _("Your password is changed. Sign in with the new one."))
        return done

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> Any:
        status = 200 if context.get("validlink") else 404
        return super().render_to_response(context, status=status, **kwargs)


def _mail_required() -> None:
    if not settings.MAIL_ENABLED:
        raise Http404("this agenda sends no email")


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """The site in another language: kept in a cookie, and with the account where there is one."""
    chosen = request.POST.get("language", "")
    after = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(after, allowed_hosts=None):
        after = reverse("agenda")
    response: HttpResponse = HttpResponseRedirect(after)
    if chosen in dict(settings.LANGUAGES):
        if request.user.is_authenticated:
            request.user.language = chosen
            request.user.save(update_fields=["language"])
        translation.activate(chosen)
        response = words_again(request, after) or response
        _remember_language(response, chosen)
    return response


def _remember_language(response: HttpResponse, chosen: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        chosen,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        samesite="Lax",
    )


@require_POST
@sign_in_required
def voice(request: HttpRequest) -> HttpResponse:
    """Whose voice may speak: only "google" lets words leave the network."""
    chosen = request.POST.get("voice", "")
    if chosen in {"google", "local"}:
        user = signed_in(request)
        user.voice = chosen
        user.save(update_fields=["voice"])
    after = request.POST.get("next", "")
    is_here = url_has_allowed_host_and_scheme(after, allowed_hosts=None)
    return HttpResponseRedirect(after if is_here else reverse("agenda"))
