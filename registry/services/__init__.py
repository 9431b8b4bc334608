"""Writes: the only code that changes the registry's tables, `<entity>_<action>`."""
