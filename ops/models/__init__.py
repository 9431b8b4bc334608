"""The tables of operations."""

from ops.models.audit import AuditEvent
from ops.models.keys import ApiKey
from ops.models.notifications import Delivery, Webhook
from ops.models.people import Profile, SavedSearch

__all__ = ["ApiKey", "AuditEvent", "Delivery", "Profile", "SavedSearch", "Webhook"]
