"""`python -m ops.dashboards`: write the dashboards' files."""

from ops.dashboards.files import write

write()
