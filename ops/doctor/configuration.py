"""Configuration: what is set fits together, and fits where the hub runs."""

import os
from collections.abc import Iterator
from itertools import chain

from django.conf import settings
from django.core import checks
from django.core.checks import Tags

from aihub import env
from ops.doctor.findings import Finding, fail, ok, warn
from ops.models import Webhook
from ops.notifications.signing import key_id

DOCUMENT = "docs/configuration.md"


def check() -> Iterator[Finding]:
    fits = True
    for finding in chain(_names(), _deployment(), _addresses(), _webhooks()):
        fits = False
        yield finding
    if fits:
        yield ok("what is set fits together")


def _names() -> Iterator[Finding]:
    for name in env.unknown_names(dict(os.environ)):
        yield warn(f"{name} is set, and nothing reads it", f"See {DOCUMENT} for the right name.")


def _deployment() -> Iterator[Finding]:
    """What Django says of settings that are not fit for production; a laptop needs none of it."""
    if settings.ENV.embedded:
        return
    if settings.DEBUG:
        yield fail("AIHUB_DEBUG is on: errors show settings and code to everybody", "Take it out.")
    for message in checks.run_checks(tags=[Tags.security], include_deployment_checks=True):
        if not message.is_silenced() and message.id != "security.W018":
            yield warn(f"{message.id}: {message.msg}", f"See {DOCUMENT} and docs/operations.md.")


def _addresses() -> Iterator[Finding]:
    said = settings.ENV
    if said.embedded:
        return
    if not said.AIHUB_ALLOWED_HOSTS:
        yield warn(
            "AIHUB_ALLOWED_HOSTS is not set: by any name but localhost the hub answers 400",
            "Set it to the names by which people and programs reach the hub.",
        )
    if not said.AIHUB_PUBLIC_URL:
        yield warn(
            "AIHUB_PUBLIC_URL is not set: webhooks and e-mail hold no links",
            "Set it to where people reach the console, such as https://hub.example.com.",
        )
    if said.over_https and not said.AIHUB_TRUSTED_PROXIES:
        yield warn(
            "the hub is reached over HTTPS, and no proxy in front is trusted to say so",
            "Set AIHUB_TRUSTED_PROXIES to how many stand in front of the hub.",
        )


def _webhooks() -> Iterator[Finding]:
    present = [key_id()]
    if not settings.SECRET_KEY_FALLBACKS:
        present.append("")  # no key is named, and there was no other that it could be of
    left = Webhook.objects.exclude(key_id__in=present).count()
    if left:
        yield warn(
            f"the secrets of {left} webhooks come from a key that the hub had before",
            "Give each a new secret before that key is taken out of AIHUB_SECRET_KEY_OLD.",
        )
