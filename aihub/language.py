"""Messages in the language that a request asks for, outside of Django's middleware."""

import functools
from collections.abc import Callable

from django.conf import settings
from django.utils import translation
from django.utils.translation.trans_real import (
    get_supported_language_variant,
    parse_accept_lang_header,
)


@functools.lru_cache(maxsize=256)
def language_of(accept_language: str) -> str:
    """The best of the hub's languages for an `Accept-Language` header."""
    for wanted, _ in parse_accept_lang_header(accept_language):
        try:
            return get_supported_language_variant(wanted)
        except LookupError:
            continue
    return str(settings.LANGUAGE_CODE)


def translator(accept_language: str) -> Callable[[str], str]:
    """Translates messages into the language that the header asks for."""
    language = language_of(accept_language)

    def translate(message: str) -> str:
        with translation.override(language):
            return translation.gettext(message)

    return translate
