"""Everybody's own page: where, and in which language, the hub writes to them."""

from typing import cast

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import get_language, gettext, gettext_lazy as _
from django.views.decorators.http import require_http_methods

from ops.console.caller import principal_of
from ops.console.pages import page, show, told
from ops.console.user_forms import AccountForm
from ops.models import Profile
from ops.users import user_write_to


@page("account/", "account")
@require_http_methods(["GET", "POST"])
def account_page(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    profile = Profile.objects.filter(user=user).first()
    language = profile.language if profile else get_language() or settings.LANGUAGE_CODE
    form = AccountForm(request.POST or None, initial={"email": user.email, "language": language})
    if form.is_valid():
        with told(request, gettext("Saved.")):
            user_write_to(user, principal=principal_of(request), **form.cleaned_data)
        return redirect(request.path)
    more = [(_("Change password"), reverse("admin:password_change"))]
    crumbs = [(_("E-mail and language"), request.path)]
    return show(
        request, "console/form.html", crumbs, form=form, back=reverse("admin:index"), more=more
    )
