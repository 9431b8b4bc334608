"""Users, for administrators: the list, making and editing one; and everybody's own password."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from unfold.decorators import display

from aihub.problems import N_, Problem
from ops.console.caller import is_admin, principal_of
from ops.console.lists import ListAdmin
from ops.console.looks import badge
from ops.console.pages import Crumb, page, show, told
from ops.console.site import site
from ops.console.user_forms import NewPasswordForm, NewUserForm, OwnPasswordForm, UserForm
from ops.users import user_create, user_set_password, user_update


@admin.register(User, site=site)
class UserList(ListAdmin):
    route = "users"
    list_display = (
        "show_name",
        "show_full_name",
        "email",
        "show_roles",
        "show_state",
        "last_login",
    )
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)

    def add_button(self, request: HttpRequest) -> dict[str, Any]:
        return {"add_url": reverse("admin:user_new"), "add_label": _("New user")}

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return User.objects.prefetch_related("memberships__team")

    @display(description=_("user name"), ordering="username")
    def show_name(self, user: User) -> str:
        url = reverse("admin:user_edit", args=[user.pk])
        return format_html('<a class="hub-link" href="{}">{}</a>', url, user.get_username())

    @display(description=_("name"))
    def show_full_name(self, user: User) -> str:
        return user.get_full_name()

    @display(description=_("teams"), empty_value="–")
    def show_roles(self, user: Any) -> str:
        roles = ((m.team.name, m.get_role_display()) for m in user.memberships.all())
        return format_html_join(", ", "{} ({})", roles)

    @display(description=_("state"))
    def show_state(self, user: User) -> str:
        if not user.is_active:
            return badge(_("inactive"), "bad")
        if user.is_superuser:
            return badge(_("administrator"), "info")
        return badge(_("active"), "good")


@page("users/new/", "user_new")
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def user_new(request: HttpRequest) -> HttpResponse:
    _require_admin(request)
    form = NewUserForm(request.POST or None)
    if form.is_valid():
        data = {name: form.cleaned_data[name] for name in NewUserForm.Meta.fields}
        password = form.cleaned_data["password1"]
        user_create(principal=principal_of(request), password=password, **data)
        messages.success(request, gettext("Saved."))
        return redirect("admin:auth_user_changelist")
    crumbs = [*_crumbs(), (_("New user"), request.path)]
    return show(request, "console/form.html", crumbs, form=form, back=crumbs[0][1])


@page("users/<int:pk>/", "user_edit")
@require_http_methods(["GET", "POST"])
def user_edit(request: HttpRequest, pk: int) -> HttpResponse:
    _require_admin(request)
    user = get_object_or_404(User, pk=pk)
    form = UserForm(request.POST or None, instance=user)
    if form.is_valid():
        changes = {field: form.cleaned_data[field] for field in form.changed_data}
        if changes:
            with told(request, gettext("Saved.")):
                user_update(user, principal=principal_of(request), changes=changes)
        return redirect(request.path)
    crumbs = [*_crumbs(), (user.get_username(), request.path)]
    more = [(_("Set a new password"), reverse("admin:user_password", args=[pk]))]
    return show(request, "console/form.html", crumbs, form=form, back=crumbs[0][1], more=more)


@page("users/<int:pk>/password/", "user_password")
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def user_password(request: HttpRequest, pk: int) -> HttpResponse:
    _require_admin(request)
    user = get_object_or_404(User, pk=pk)
    here = reverse("admin:user_edit", args=[pk])
    crumbs = [*_crumbs(), (user.get_username(), here), (_("New password"), request.path)]
    return _password(request, NewPasswordForm(user, request.POST or None), crumbs, here)


@page("password/", "password_change")
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def own_password(request: HttpRequest) -> HttpResponse:
    form = OwnPasswordForm(cast(User, request.user), request.POST or None)
    return _password(request, form, [(_("Change password"), request.path)], reverse("admin:index"))


def _password(request: HttpRequest, form: Any, crumbs: list[Crumb], back: str) -> HttpResponse:
    """Set the password of the form's user, and keep the one who set it signed in."""
    if not form.is_valid():
        return show(request, "console/form.html", crumbs, form=form, back=back)
    password = form.cleaned_data["new_password1"]
    user_set_password(form.user, principal=principal_of(request), password=password)
    if form.user == request.user:
        update_session_auth_hash(request, form.user)
    messages.success(request, gettext("The password was changed."))
    return redirect(back)


def _require_admin(request: HttpRequest) -> None:
    if not is_admin(request):
        raise Problem(403, N_("You may not do this."))


def _crumbs() -> list[Crumb]:
    return [(_("Users"), reverse("admin:auth_user_changelist"))]
