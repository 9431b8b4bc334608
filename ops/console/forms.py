"""The console's forms; their checks are those of the API where both take the same values."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from aihub.fields import JSON_MAX, ObjectField
from registry.api.fields import (
    ALIAS,
    NAME,
    CardField,
    PoolField,
    ProtectedAliasesField,
    ServingField,
)
from registry.models import Membership, RegisteredModel, Team
from registry.models.registered import Precision, Task
from registry.models.versions import ModelVersion
from registry.serving import Serving


def _text(**attrs: Any) -> UnfoldAdminTextInputWidget:
    return UnfoldAdminTextInputWidget(attrs=attrs)


class WordsField(forms.CharField):
    """Words separated by commas or spaces, as a list."""

    def __init__(self, *, max_words: int = 100, max_word: int = 64, **kwargs: Any) -> None:
        self.max_words, self.max_word = max_words, max_word
        super().__init__(required=False, widget=_text(), **kwargs)

    def clean(self, value: Any) -> Any:
        words = (super().clean(value) or "").replace(",", " ").split()
        if len(words) > self.max_words or any(len(word) > self.max_word for word in words):
            raise forms.ValidationError(
                _("At most %(words)s words of at most %(letters)s characters."),
                params={"words": self.max_words, "letters": self.max_word},
            )
        return words


def checked(field: serializers.Field[Any, Any, Any, Any], value: Any) -> Any:
    """What the API reads out of a value; what it would answer, as the form's error."""
    try:
        return field.run_validation(value)
    except serializers.ValidationError as error:
        raise forms.ValidationError([str(detail) for detail in error.detail]) from None


def model_names(names: list[str]) -> list[str]:
    """The names, each of which a model can have; else the form's error."""
    for name in names:
        if not NAME.fullmatch(name):
            message = _("“%(name)s” cannot be the name of a model.")
            raise forms.ValidationError(message, params={"name": name})
    return names


class ObjectFormField(forms.CharField):
    """A JSON object, held to what the API holds it to."""

    def prepare_value(self, value: Any) -> Any:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return checked(ObjectField(binary=True), text) if text else {}


class ServingFormField(ObjectFormField):
    """How a model is served, with the defaults filled in."""

    def prepare_value(self, value: Any) -> Any:
        return json.dumps(value, indent=2) if isinstance(value, dict) else value

    def to_python(self, value: Any) -> Any:
        return checked(ServingField(), super().to_python(value))


class ModelForm(forms.ModelForm):
    """What may change of a model."""

    tags = WordsField(label=_("Tags"), help_text=_("Separated by commas or spaces."))

    protected_aliases = WordsField(
        label=_("Protected aliases"),
        max_words=50,
        help_text=_("Such as “production”: moving one needs the approval of another owner."),
    )

    serving = ServingFormField(
        label=_("Serving (JSON)"),
        required=False,
        max_length=JSON_MAX,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14, "class": "hub-mono"}),
        help_text=_(
            "Batching (“max_batch”, “max_delay_ms”, “queue”), the rules by which its circuit "
            "breaker opens, and what answers then; empty for the defaults."
        ),
    )

    class Meta:
        model = RegisteredModel
        fields = (
            *("description", "tags", "task", "precision", "pool", "serving", "shared"),
            *("protected_aliases", "card"),
        )
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 3, "maxlength": 10_000}),
            "card": UnfoldAdminTextareaWidget(attrs={"rows": 14, "maxlength": 100_000}),
            "task": UnfoldAdminSelectWidget(choices=Task.choices),
            "precision": UnfoldAdminSelectWidget(choices=Precision.choices),
            "pool": _text(),
            "shared": UnfoldBooleanSwitchWidget(),
        }
        help_texts = {
            "card": _("What it was trained on, what it is good for and what it is not."),
        }

    def __init__(
        self, *args: Any, precisions: Mapping[Precision, Promise], manages: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["protected_aliases"].disabled = not manages
        self.initial["protected_aliases"] = ", ".join(self.instance.protected_aliases)
        lines = ((choice.label, text) for choice, text in precisions.items())
        self.fields["precision"].help_text = format_html_join("", "<div><b>{}</b>: {}</div>", lines)
        self.initial["serving"] = Serving.parse(self.instance.serving).as_json()
        names = self.instance.tag_rows.values_list("name", flat=True)
        self.initial["tags"] = ", ".join(names)
        versions = ModelVersion.everything.filter(model=self.instance)
        self.fields["task"].disabled = versions.exists()  # they were checked for it

    def clean_card(self) -> str:
        return str(checked(CardField(), self.cleaned_data["card"]))

    def clean_protected_aliases(self) -> list[str]:
        if self.fields["protected_aliases"].disabled:
            return list(self.instance.protected_aliases)
        names = self.cleaned_data["protected_aliases"]
        aliases: list[str] = checked(ProtectedAliasesField(), names)
        return aliases

    def clean_pool(self) -> str:
        pool: str = self.cleaned_data["pool"]
        return pool and str(checked(PoolField(), pool))


def _object(label: Any, help_text: Any) -> ObjectFormField:
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 5, "class": "hub-mono"})
    return ObjectFormField(
        label=label, required=False, max_length=JSON_MAX, widget=widget, help_text=help_text
    )


class VersionForm(forms.ModelForm):
    """What may change of a version: never its files."""

    metrics = _object(_("Metrics"), _("A JSON object, for example {“top1”: 0.771}."))
    parameters = _object(
        _("Training parameters"), _("A JSON object, for example {“lr”: 0.001, “epochs”: 90}.")
    )
    source = _object(
        _("Source"), _("A JSON object with “repository”, “commit”, “dataset”, “run” and others.")
    )
    parent = forms.CharField(
        label=_("Parent version"),
        required=False,
        max_length=200,
        widget=_text(),
        help_text=_("A version of this model, or “model/version” of another."),
    )

    class Meta:
        model = ModelVersion
        fields = ("description", "metrics", "parameters", "source", "parent", "card")
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 4, "maxlength": 10_000}),
            "card": UnfoldAdminTextareaWidget(attrs={"rows": 14, "maxlength": 100_000}),
        }
        help_texts = {"card": _("Markdown: what it is good for and what it is not.")}

    def __init__(self, *args: Any, parent: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["parent"] = parent

    def clean_card(self) -> str:
        return str(checked(CardField(), self.cleaned_data["card"]))

    def _post_clean(self) -> None:
        """Nothing is written to the instance: services do that, and tell the audit trail."""


class AliasForm(forms.Form):
    """Where an alias points."""

    name = forms.RegexField(
        regex=rf"^(?:{ALIAS.pattern})\Z",
        label=_("Alias"),
        error_messages={"invalid": _("An alias is 1 to 64 of a-z, 0-9, “_”, “-”, a letter first.")},
    )
    version = forms.CharField(label=_("Version"), max_length=80)
    comment = forms.CharField(label=_("Comment"), required=False, max_length=2_000)
    allow_incompatible = forms.BooleanField(required=False)


class KeyForm(forms.Form):
    """A new API key."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        widget=_text(),
        help_text=_("Which application will use it, for example “shop-frontend”."),
    )
    team = forms.ModelChoiceField(
        label=_("Team"),
        queryset=Team.objects.none(),
        widget=UnfoldAdminSelectWidget(),
        empty_label=None,
    )
    actions = forms.MultipleChoiceField(
        label=_("What it may do"),
        choices=[
            ("predict", _("predict: call models")),
            ("read", _("read: list and download models")),
            ("publish", _("publish: add versions and move aliases")),
        ],
        initial=["predict"],
        widget=forms.CheckboxSelectMultiple,
    )
    models = WordsField(
        label=_("Only these models"),
        max_words=1000,
        max_word=100,
        help_text=_("Names separated by commas or spaces; empty means every model of the team."),
    )
    days = forms.IntegerField(
        label=_("Valid for days"),
        required=False,
        min_value=1,
        max_value=3650,
        initial=365,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=_("Empty: it does not expire."),
    )

    def __init__(self, *args: Any, teams: list[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["team"]
        field.queryset = Team.objects.filter(pk__in=[team.pk for team in teams])

    def clean_models(self) -> list[str]:
        return model_names(self.cleaned_data["models"])

    @property
    def expires_at(self) -> Any:
        days = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=days) if days else None


class TeamForm(forms.ModelForm):
    class Meta:
        model = Team
        fields = ("name", "description")
        widgets = {
            "name": _text(),
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 3, "maxlength": 2_000}),
        }
        help_texts = {"name": _("Letters, digits, “-” and “_”.")}


class MemberForm(forms.Form):
    """Somebody's role in a team, by user name."""

    username = forms.CharField(label=_("User name"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=Membership.Roles.choices)
