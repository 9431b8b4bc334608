"""`manage.py doctor`: whether what the hub needs is there and right, and what to do where not.

A module a check. A check yields findings and stops at what makes the rest of it pointless; what it
makes to try something it removes again.
"""
