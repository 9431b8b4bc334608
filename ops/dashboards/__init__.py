"""Grafana's dashboards as code: `python -m ops.dashboards` writes ops/stack/grafana/dashboards."""
