"""What Prometheus reads of a process and of the hub; docs/metrics.md names all of it."""
