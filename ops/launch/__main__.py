"""What `make run` starts: the checks that even reading the settings needs, then `manage.py hub`."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from aihub import env
from ops.launch import preflight


def main() -> None:
    try:
        preflight.check_machine(env.read())
    except (ImproperlyConfigured, preflight.CannotStart) as reason:
        sys.exit(f"AIHub cannot start. {reason}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aihub.settings")
    execute_from_command_line(["manage.py", "hub", *sys.argv[1:]])


if __name__ == "__main__":
    main()
