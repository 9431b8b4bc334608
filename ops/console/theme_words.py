"""Words of django-unfold that it brings no translations for: here they are collected."""

from django.utils.translation import gettext_noop as _

WORDS = (
    _(" By %(filter_title)s "),
    _("Apply Filters"),
    _("Date from"),
    _("Date to"),
    _("From"),
    _("Select record"),
    _("Select value"),
    _("Sorting priority: %(priority_number)s"),
    _("To"),
    _("Type to search"),
)
