"""The form of a webhook; its checks are the API's."""

from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
)

from ops.api.webhook_fields import URL_MAX, ReceiverField
from ops.console.forms import WordsField, checked, model_names
from ops.models import Webhook
from ops.notifications.catalogue import EVENTS
from registry.models import Team


class WebhookForm(forms.Form):
    """What may change of a webhook; `team` is chosen once, when it is made."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Who is told, for example “Team chat”."),
    )
    team = forms.ModelChoiceField(
        label=_("Team"),
        queryset=Team.objects.none(),
        widget=UnfoldAdminSelectWidget(),
        empty_label=None,
    )
    url = forms.CharField(
        label="URL",
        max_length=URL_MAX,
        widget=UnfoldAdminURLInputWidget(),
        help_text=_("Where the hub sends a POST, such as https://example.com/hook."),
    )
    events = forms.MultipleChoiceField(
        label=_("What it is told"), widget=forms.CheckboxSelectMultiple
    )
    models = WordsField(
        label=_("Only these models"),
        max_words=1000,
        max_word=100,
        help_text=_("Names separated by commas or spaces; empty means every model of the team."),
    )

    def __init__(
        self,
        *args: Any,
        teams: list[Team],
        every_team: bool,
        webhook: Webhook | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        fields["events"].choices = [(name, _event_label(name)) for name in EVENTS]
        if webhook:
            del fields["team"]
            self.initial = _initial(webhook)
            return
        fields["team"].queryset = Team.objects.filter(pk__in=[team.pk for team in teams])
        fields["team"].initial = teams[0] if teams else None
        if every_team:
            fields["team"].required = False
            fields["team"].empty_label = _("Every team")

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        return str(checked(ReceiverField(), url)) if "url" in self.changed_data else url

    def clean_models(self) -> list[str]:
        return model_names(self.cleaned_data["models"])

    @property
    def values(self) -> dict[str, Any]:
        """What the services take."""
        return {**self.cleaned_data, "events": sorted(self.cleaned_data["events"])}


def _initial(webhook: Webhook) -> dict[str, Any]:
    return {
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.events,
        "models": ", ".join(webhook.model_names),
    }


def _event_label(name: str) -> Any:
    return format_html('<span class="hub-mono hub-strong">{}</span> {}', name, EVENTS[name].about)
