"""Who uses the console, as `aihub.access` knows them."""

from django.http import HttpRequest

from aihub.access import Action, Principal
from ops.identity.directory import user_record
from registry.models import Team


def principal_of(request: HttpRequest) -> Principal:
    """The signed-in user's principal, read once a request."""
    found: Principal | None = getattr(request, "_console_principal", None)
    if found is None:
        found = user_record(request.user).principal
        request._console_principal = found  # type: ignore[attr-defined]
    return found


def teams_where(principal: Principal, action: Action) -> list[Team]:
    """The teams in which a principal may do this, by name."""
    return [team for team in Team.objects.all() if principal.may_in_team(action, team.pk)]


def may_publish(request: HttpRequest) -> bool:
    """Whether publishing is possible in any team."""
    return _anywhere(request, Action.PUBLISH)


def may_delete(request: HttpRequest) -> bool:
    """Whether deleting is possible in any team."""
    return _anywhere(request, Action.DELETE)


def manages(request: HttpRequest) -> bool:
    """Whether the user manages any team."""
    return _anywhere(request, Action.MANAGE)


def has_team(request: HttpRequest) -> bool:
    principal = principal_of(request)
    return principal.is_admin or bool(principal.roles)


def is_admin(request: HttpRequest) -> bool:
    return principal_of(request).is_admin


def _anywhere(request: HttpRequest, action: Action) -> bool:
    principal = principal_of(request)
    return principal.is_admin or any(
        principal.may_in_team(action, team) for team in principal.roles
    )
