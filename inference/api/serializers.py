"""What the API of serving takes and gives."""

from typing import Any

from rest_framework import serializers

from aihub.fields import StrictSerializer
from inference.engine.breaker import CLOSED, HALF_OPEN, OPEN
from inference.models import Replica
from registry.serving import STRATEGIES

STATES = (CLOSED, OPEN, HALF_OPEN)
FORCED = (OPEN, CLOSED)


class LoadedOutput(serializers.Serializer[Any]):
    """A version in a replica's memory; `variant` is empty for its reference form."""

    model = serializers.CharField()
    version = serializers.CharField()
    variant = serializers.CharField(allow_blank=True)
    memory = serializers.IntegerField(help_text="Bytes.")
    in_flight = serializers.IntegerField()


class RuleOutput(serializers.Serializer[Any]):
    strategy = serializers.ChoiceField(STRATEGIES)
    threshold = serializers.FloatField()
    slow_ms = serializers.FloatField()
    window_s = serializers.FloatField()
    min_calls = serializers.IntegerField()
    open_s = serializers.FloatField()
    probes = serializers.IntegerField()


class ReplicaBreakerOutput(serializers.Serializer[Any]):
    """A version's breaker on one replica: its state, what it saw of late, what opened it."""

    replica = serializers.CharField()
    state = serializers.ChoiceField(STATES)
    since = serializers.DateTimeField()
    calls = serializers.IntegerField()
    errors = serializers.IntegerField()  # type: ignore[assignment]
    slow = serializers.IntegerField()
    rule = RuleOutput(allow_null=True)


class BreakerOutput(serializers.Serializer[Any]):
    """A version's breaker: what it is held at, and how it stands on each replica that used it."""

    forced = serializers.ChoiceField(FORCED, allow_null=True)
    replicas = ReplicaBreakerOutput(many=True)


class BreakerInput(StrictSerializer):
    force = serializers.ChoiceField(FORCED, allow_null=True)


class ListedBreakerOutput(ReplicaBreakerOutput):
    replica = None  # type: ignore[assignment] # its row says it
    model = serializers.CharField()
    version = serializers.CharField()
    forced = serializers.ChoiceField(FORCED, allow_null=True)


class ReplicaOutput(serializers.ModelSerializer[Replica]):
    loaded = LoadedOutput(many=True)
    breakers = ListedBreakerOutput(many=True)

    class Meta:
        model = Replica
        fields = ("name", "pool", "cpu", "loaded", "breakers", "memory", "started_at", "at")
