"""Forms of users and passwords: Django's own, in the console's look."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import BaseUserCreationForm, PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

_WIDGETS = {
    "username": UnfoldAdminTextInputWidget(),
    "first_name": UnfoldAdminTextInputWidget(),
    "last_name": UnfoldAdminTextInputWidget(),
    "email": UnfoldAdminEmailInputWidget(),
    "is_active": UnfoldBooleanSwitchWidget(),
    "is_superuser": UnfoldBooleanSwitchWidget(),
}
_LABELS = {"is_superuser": _("Administrator"), "is_active": _("Active")}
_HELP = {
    "is_superuser": _("May do everything, in every team."),
    "is_active": _("Turn this off instead of deleting a user; tokens and sessions end at once."),
}


class _StyledPasswords:
    """Gives every password field the console's widget."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field.widget, forms.PasswordInput):
                kept = {"autocomplete": field.widget.attrs.get("autocomplete", "new-password")}
                field.widget = UnfoldAdminPasswordWidget(attrs=kept)


class NewUserForm(_StyledPasswords, BaseUserCreationForm):
    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "is_superuser")
        widgets, labels, help_texts = _WIDGETS, _LABELS, _HELP


class UserForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("first_name", "last_name", "email", "is_active", "is_superuser")
        widgets, labels, help_texts = _WIDGETS, _LABELS, _HELP


class AccountForm(forms.Form):
    """Where, and in which language, the hub writes to a person."""

    email = forms.EmailField(
        label=_("E-mail"),
        required=False,
        max_length=254,
        widget=UnfoldAdminEmailInputWidget(),
        help_text=_("Where you are told how your batch jobs ended; empty for not at all."),
    )
    language = forms.ChoiceField(
        label=_("Language of e-mails"),
        choices=settings.LANGUAGES,
        widget=UnfoldAdminSelectWidget(),
    )


class NewPasswordForm(_StyledPasswords, SetPasswordForm):
    """Somebody else's password, set by an administrator."""


class OwnPasswordForm(_StyledPasswords, PasswordChangeForm):
    """One's own password."""
