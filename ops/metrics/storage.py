"""Whether the file storage answers."""

from registry.storage import blob_storage


def storage_answers() -> bool:
    """True; raises where the store does not answer."""
    blob_storage().check()
    return True
