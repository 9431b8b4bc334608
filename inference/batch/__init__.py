"""Batch jobs: a model over many rows, in chunks that any worker may compute again."""
