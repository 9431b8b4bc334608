#!/usr/bin/env python3
"""Django's command line; `manage.py hub` starts the whole hub on this machine."""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit(f"AIHub needs Python 3.11 or newer; this is {sys.version.split()[0]}.")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aihub.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as reason:
        sys.exit(f"AIHub cannot start. {reason}")


if __name__ == "__main__":
    main()
