"""What people type about their account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm
from django.utils.translation import gettext_lazy as _

from accounts.models import User, normal_name


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
        fields = ["username"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = ""
        self.fields["username"].widget.attrs |= {"autocomplete": "username", "autofocus": True}
        self.fields["password1"].help_text = _("At least 10 characters, not only digits.")
        self.fields["password2"].help_text = ""

    def clean_username(self) -> str:
        return normal_name(self.cleaned_data["username"])
