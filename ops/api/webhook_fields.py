"""Fields of webhooks, for the API and for the console's forms."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aihub.fields import TextField
from ops.notifications.addresses import NotPublic, resolve
from ops.notifications.catalogue import EVENTS
from ops.notifications.connecting import Deadline, resolve_in_time

URL_MAX = 1000
RESOLVED_WITHIN = 5.0  # seconds
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)


@extend_schema_field(OpenApiTypes.URI)
class ReceiverField(TextField):
    """A URL that the hub may call."""

    default_error_messages = {
        "form": _("A URL such as https://example.com/hook: http or https, ASCII, no spaces."),
        "credentials": _("No user name and password in the URL: check the signature instead."),
        "name": _("“%(host)s” cannot be resolved."),
        "private": _(
            "“%(host)s” is not on the public internet (%(address)s). The hub's operator can allow "
            "private addresses."
        ),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=URL_MAX, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data)
        self._check_address(*self._taken_apart(url))
        return url

    def _taken_apart(self, url: str) -> tuple[str, int]:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            self.fail("form")
        if not _PRINTABLE.fullmatch(url) or parts.scheme not in ("http", "https") or not host:
            self.fail("form")
        if parts.username is not None or parts.password is not None:
            self.fail("credentials")
        return host, port or (443 if parts.scheme == "https" else 80)

    def _check_address(self, host: str, port: int) -> None:
        private = settings.ENV.AIHUB_WEBHOOK_PRIVATE
        try:
            resolve_in_time(
                host, port, Deadline(RESOLVED_WITHIN), private=private, resolver=resolve
            )
        except NotPublic as found:
            self._refuse("private", host=host, address=str(found))
        except (OSError, UnicodeError):
            self._refuse("name", host=host)

    def _refuse(self, key: str, **values: str) -> None:
        raise serializers.ValidationError(self.error_messages[key] % values, code=key)


class EventsField(serializers.ListField):
    """Names of events, each once."""

    child = serializers.ChoiceField(list(EVENTS))

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=1, max_length=100, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        return sorted(set(super().to_internal_value(data)))
