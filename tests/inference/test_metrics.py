"""What Prometheus reads of predictions, through every door."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from inference.engine.breaker import OPEN
from inference.engine.engine import Ticket
from inference.engine.measures import SECONDS
from inference.protocol.app import InferApp
from inference.protocol.metrics import EngineCollector
from tests.inference import samples
from tests.inference.door import Door
from tests.inference.grpc_door import GrpcDoor

Labels = dict[str, str]
