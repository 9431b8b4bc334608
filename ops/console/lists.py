"""The base of the console's lists: who may see them, and nothing to change in them."""

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.text import capfirst
from unfold.admin import ModelAdmin

MOST_SEARCHED = 200  # characters


class ListAdmin(ModelAdmin):
    """A list at `route` that links to pages of its own.

    Django's table of permissions has no say, and nothing is changed here: the pages call services,
    which tell the audit trail.
    """

    route: str
    change_list_template = "console/list.html"
    actions = None
    list_display_links = None
    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    show_full_result_count = False
    empty_title: Any = ""
    empty_text: Any = ""

    def get_urls(self) -> list[URLPattern]:
        """The list alone: what it shows has pages of its own."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def add_button(self, request: HttpRequest) -> dict[str, Any]:
        """`add_url` and `add_label` of the button over the list, where the user may add."""
        return {}

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, whose button is also offered where there is nothing in it."""
        found = super().get_changelist_instance(request)
        found.add_button = self.add_button(request)
        return found

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(
            request,
            {
                "title": capfirst(self.opts.verbose_name_plural),
                **self.add_button(request),
                **(extra_context or {}),
            },
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Each word becomes conditions in the query: no more of them than anybody types."""
        return super().get_search_results(request, queryset, search_term[:MOST_SEARCHED])

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
