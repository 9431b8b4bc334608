"""Compiling faster forms of a version, comparing them with its reference, and choosing one."""
