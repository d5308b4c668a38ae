"""What people type about their account."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.forms import (
    AuthenticationForm,
    BaseUserCreationForm,
    PasswordChangeForm,
    SetPasswordForm,
)
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.audit import What, codes_refused, note_refusal
from accounts.models import LEAD_CHOICES, VOICES, User, normal_name
from accounts.second_factor import opened, step_of
from accounts.zones import ZoneSelect, zone_choices
from speech.services import is_enabled, leaves_network

# In an hour, of one account. Of a million codes three are right at a time.
CODES_REFUSED_MAX = 30
WRONG_CODE = _("This code is not valid now, or it was used already.")


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": _("This name and this password do not belong together."),
        "inactive": _("This account is closed."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs |= {"autocomplete": "username", "autofocus": True}

    def clean_username(self) -> str:
        return normal_name(self.cleaned_data["username"])


class SignUpForm(BaseUserCreationForm):  # type: ignore[type-arg] # generic to mypy only
    """A name and a password, twice."""

    class Meta:
        model = User
        fields = ["username", "email"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if settings.MAIL_ENABLED:
            self.fields["email"].label = _("Email, if you like")
            self.fields["email"].help_text = _("Only for the day you forget your password.")
            self.fields["email"].widget.attrs |= {"autocomplete": "email"}
            self.order_fields(["username", "password1", "password2", "email"])
        else:
            del self.fields["email"]
        self.fields["username"].help_text = ""
        self.fields["username"].widget.attrs |= {"autocomplete": "username", "autofocus": True}
        self.fields["password1"].help_text = _("At least 10 characters, not only digits.")
        self.fields["password2"].help_text = ""

    def clean_username(self) -> str:
        return normal_name(self.cleaned_data["username"])

    def account(self) -> dict[str, str]:
        """What the account is made of."""
        given = self.cleaned_data
        return {
            "username": given["username"],
            "password": given["password1"],
            "email": given.get("email", ""),
        }


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg] # generic to mypy only
    """A new password, twice, from somebody who proved who they are in another way."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _ask_in_few_words(self)


class PasswordForm(PasswordChangeForm):
    """The old password, then a new one, twice."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        _ask_in_few_words(self)

    def clean_old_password(self) -> str:
        return _password_checked(self.request, self.cleaned_data["old_password"])


class ResetForm(forms.Form):
    """Where the link to a new password shall go."""

    email = forms.EmailField(
        label=_("Your email address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


def _ask_in_few_words(form: forms.Form) -> None:
    form.fields["new_password1"].help_text = _("At least 10 characters, not only digits.")
    form.fields["new_password2"].help_text = ""


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg] # generic to mypy only
    """Language, time zone, voice, keys, announcements."""

    QUIET = ("quiet_from", "quiet_until")
    GROUPED = (*QUIET, "announce_minutes")

    class Meta:
        model = User
        fields = [
            *("language", "time_zone", "voice", "voice_speed", "has_shortcuts"),
            *("announce_minutes", "quiet_from", "quiet_until"),
        ]
        labels = {
            "voice_speed": _("Voice speed"),
            "quiet_from": _("From"),
            "quiet_until": _("Until"),
            "has_shortcuts": _("Single keys act in the list of tasks: ? shows which"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"] = forms.ChoiceField(
            label=_("Time zone"),
            required=False,
            choices=zone_choices(self.instance.time_zone),
            widget=ZoneSelect,
        )
        self.fields["language"] = forms.ChoiceField(
            label=_("Language"),
            required=False,
            choices=[("", _("the browser's")), ("fr", "Français"), ("en", "English")],
        )
        # Nothing chosen is this machine's own voice, as for who chose it.
        if leaves_network():
            self.fields["voice"] = forms.ChoiceField(
                label=_("Voice"),
                required=False,
                choices=[("", _("not chosen yet: this site's own")), *VOICES],
            )
        else:
            del self.fields["voice"]
        self.fields["announce_minutes"] = forms.MultipleChoiceField(
            label=_("Announcements"),
            required=False,
            choices=LEAD_CHOICES,
            widget=forms.CheckboxSelectMultiple,
        )
        self.initial["announce_minutes"] = self.instance.announce_minutes.split()
        self.fields["voice_speed"].required = False
        if not is_enabled():
            del self.fields["voice_speed"]
        elif leaves_network():
            self.fields["voice_speed"].help_text = _("Google's voice has no fast one.")
        for name in self.QUIET:
            self.fields[name].widget = forms.TimeInput(format="%H:%M", attrs={"type": "time"})

    def clean_voice_speed(self) -> str:
        return self.cleaned_data["voice_speed"] or str(self.instance.voice_speed)

    def clean_announce_minutes(self) -> str:
        chosen = self.cleaned_data["announce_minutes"]
        if not chosen and "voice_speed" in self.fields and "voice_speed" not in self.data:
            # A page that the release before had made has neither: it takes nothing away.
            return str(self.instance.announce_minutes)
        return " ".join(chosen)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        begins, ends = (given.get(name) for name in self.QUIET)
        if (begins is None) != (ends is None) and not any(n in self.errors for n in self.QUIET):
            missing = self.QUIET[0] if begins is None else self.QUIET[1]
            self.add_error(missing, _("Quiet hours have a beginning and an end."))
        return given

    def plain_fields(self) -> list[forms.BoundField]:
        return [field for field in self.visible_fields() if field.name not in self.GROUPED]

    def quiet_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.QUIET]


class PasswordAgain(forms.Form):
    """For what outlives a session: who found one open must not get further with it."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        return _password_checked(self.request, self.cleaned_data["password"])


def _code_field(help_text: Any) -> forms.CharField:
    attrs = {"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}
    return forms.CharField(
        label=_("Code"), help_text=help_text, max_length=40, widget=forms.TextInput(attrs=attrs)
    )


class CodeForm(forms.Form):
    """Of the second factor. A wrong one counts as a wrong password does; and of all addresses
    together, for a million codes are few to who tries them from many.
    """

    code = _code_field(_("The six digits that your app shows, or a recovery code."))

    def __init__(self, request: HttpRequest, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.user = request, user

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if codes_refused(self.user, at=timezone.now()) >= CODES_REFUSED_MAX:
            raise forms.ValidationError(_("Too many wrong codes: try again in an hour."))
        if authenticate(self.request, username=self.user.username, code=code) is None:
            note_refusal(self.request, self.user.username, What.CODE_REFUSED)
            raise forms.ValidationError(WRONG_CODE)
        return code


class FactorSetForm(PasswordAgain):
    """The first code of an app; `step` is the half minute that it is of."""

    field_order = ("sealed", "code", "password")
    # Off: Firefox would keep it when the page is loaded again, with another key on it.
    sealed = forms.RegexField(
        r"\A[0-9a-f]{72}\Z", widget=forms.HiddenInput(attrs={"autocomplete": "off"})
    )
    code = _code_field(_("The six digits that your app shows now."))
    step = 0

    def clean(self) -> None:
        super().clean()
        if {"sealed", "code"} <= self.cleaned_data.keys():
            app = opened(cast(User, self.request.user), self.cleaned_data["sealed"])
            self.step = step_of(app, self.cleaned_data["code"], at=timezone.now())
            if not self.step:
                self.add_error("code", WRONG_CODE)


class EmailForm(PasswordAgain):
    """Where a password reset is sent."""

    field_order = ("email", "password")
    email = forms.EmailField(
        label=_("Your email address"),
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


def _password_checked(request: HttpRequest, password: str) -> str:
    """As at sign-in, so that a wrong one counts there and here: django-axes looks on."""
    name = request.user.get_username()
    if authenticate(request, username=name, password=password) is None:
        note_refusal(request, name)
        raise forms.ValidationError(_("This is not your password."))
    return password
