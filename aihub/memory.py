"""What stays in memory, and is not looked through for garbage any more."""

import gc


def settle() -> None:
    """Called where a process has loaded what is there to stay.

    Looking through the hundreds of thousands of objects that libraries are made of would stop
    every call for a tenth of a second, again and again.
    """
    gc.collect()
    gc.freeze()
