"""Running a program that nobody trusts: no network, one folder to write to, limits on the rest.

`run` takes a Python program and what it may read; it knows nothing of models. Of two mechanisms
the first that works here is used: bubblewrap's namespaces, or Landlock. Both are completed by the
same filter of system calls and the same limits of resources.
"""

from aihub.sandbox.choice import Unavailable, mechanism
from aihub.sandbox.leftovers import clear
from aihub.sandbox.running import Limits, Outcome, Work, run

__all__ = ["Limits", "Outcome", "Unavailable", "Work", "clear", "mechanism", "run"]
