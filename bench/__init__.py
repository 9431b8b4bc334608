"""What the hub is measured by: each module but the helpers is a scenario, run by `make bench`."""
