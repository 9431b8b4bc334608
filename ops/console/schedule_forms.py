"""The form of a schedule; its checks are the API's."""

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from aihub.fields import JSON_MAX
from aihub.problems import Problem
from inference.api.batch_serializers import INPUT_FORMATS, OPTIONS, PRIORITIES
from inference.api.schedule_serializers import BatchScheduleInput, as_said
from inference.models import BatchSchedule
from inference.models.batch import OutputFormat, Priority
from inference.models.schedules import Overlap
from ops.console.forms import ObjectFormField

_PRIORITIES = [(name, Priority(value).label) for name, value in PRIORITIES.items()]


class SuggestingWidget(UnfoldAdminTextInputWidget):
    """A line of text that offers what it may be."""

    suggestions: Iterable[str] = ()

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        listed = f"{name}-suggestions"
        field = super().render(name, value, {**(attrs or {}), "list": listed}, renderer)
        options = format_html_join(
            "", '<option value="{}">', ((text,) for text in self.suggestions)
        )
        return format_html('{}<datalist id="{}">{}</datalist>', field, listed, options)


def _line(label: Any, most: int, help_text: Any = "", **more: Any) -> forms.CharField:
    given = {"widget": UnfoldAdminTextInputWidget(), **more}
    return forms.CharField(label=label, max_length=most, help_text=help_text, **given)


def _choice(label: Any, choices: Any, help_text: Any = "", **more: Any) -> forms.ChoiceField:
    widget = UnfoldAdminSelectWidget()
    return forms.ChoiceField(
        label=label, choices=choices, help_text=help_text, widget=widget, **more
    )


class ScheduleForm(forms.Form):
    """Everything that is said of a schedule. `said` is what the API would have read."""

    name = _line(_("Name"), 100, _("For example “Every night, all stores”."))
    model = _line(_("Model"), 100, widget=SuggestingWidget())
    version = _line(
        _("Version"),
        80,
        _("A version, or a range such as “^1.2”; empty for what answers by default."),
        required=False,
    )
    alias = _line(_("Alias"), 64, _("Instead of a version, such as “production”."), required=False)
    prefix = _line(  # type: ignore[assignment]  # Django takes the fields from the class
        _("Prefix of the bucket"),
        500,
        _("The objects under it at the time of the run, such as “inputs/my-team/today/”."),
    )
    input_format = _choice(
        _("Input format"),
        [("", _("found from the content")), *((name, name) for name in INPUT_FORMATS)],
        required=False,
    )
    output_format = _choice(_("Output format"), OutputFormat.choices)
    cron = _line(
        _("When (cron)"),
        200,
        _(
            "Minute, hour, day of the month, month, day of the week (0 is Sunday); all five must "
            "fit. “30 2 * * 1-5”: at 2:30 from Monday to Friday. At most every 5 minutes."
        ),
    )
    timezone = _line(_("Time zone"), 64, widget=SuggestingWidget(), initial="UTC")
    team = _choice(_("Team"), [], _("For whom it runs."), required=False)
    overlap = _choice(_("When the job before is not over"), Overlap.choices)
    priority = _choice(_("Priority"), _PRIORITIES, initial="normal")
    options = ObjectFormField(
        label=_("Options (JSON)"),
        required=False,
        max_length=JSON_MAX,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "class": "hub-mono"}),
        help_text=_('For example {"columns": {"image": "picture"}, "key": "id", "top": 3}.'),
    )
    active = forms.BooleanField(
        label=_("Active"), required=False, initial=True, widget=UnfoldBooleanSwitchWidget()
    )

    said: Mapping[str, Any]

    def __init__(
        self,
        *args: Any,
        models: Iterable[str],
        teams: Iterable[str],
        schedule: BatchSchedule | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        fields["model"].widget.suggestions = models
        fields["timezone"].widget.suggestions = sorted(available_timezones())
        fields["team"].choices = [("", _("found from the model")), *((t, t) for t in teams)]
        if schedule:
            self.initial = _initial(schedule)

    def clean(self) -> dict[str, Any]:
        """Have the API's serializer read it."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        options = cleaned["options"]
        own = {name: value for name, value in cleaned.items() if name != "options" and value != ""}
        read = BatchScheduleInput(data={**options, **own})
        if read.is_valid():
            self.said = read.validated_data
        for field, errors in read.errors.items():
            self._refuse(str(field), errors)
        return cleaned

    def tell(self, problem: Problem) -> None:
        """Say a problem where it belongs."""
        for error in problem.errors:
            self._refuse(error["field"], error["detail"])
        if not problem.errors:
            self.add_error(None, problem.detail(gettext))

    def _refuse(self, field: str, errors: Any) -> None:
        if field in self.fields and field != "options":
            self.add_error(field, errors)
            return
        texts = errors if isinstance(errors, list) else [errors]
        self.add_error("options", [f"{field}: {text}" for text in texts])


def _initial(schedule: BatchSchedule) -> dict[str, Any]:
    said = as_said(schedule)
    options = {name: said.pop(name) for name in OPTIONS if name in said}
    return {**said, "options": options}
