"""Signing in to the console."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from unfold.forms import AuthenticationForm

from aihub.problems import Problem


class LoginForm(AuthenticationForm):
    """Lets every active user in; too many failures are an error of the form."""

    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except Problem as problem:
            raise ValidationError(problem.detail(gettext), code="throttled") from None
        return cleaned

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        """Django's backend has refused inactive users already; staff or not does not matter."""
