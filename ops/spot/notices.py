"""How each provider says that a machine will be taken away: at an address that only it can ask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httpx

AZURE_EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
AZURE_NAME = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"


@dataclass(frozen=True, slots=True)
class Provider:
    """Where its metadata lies, and how it is asked: a sentence once the machine must go.

    `notice` raises httpx.HTTPError where there is no answer, or none that means anything.
    """

    url: str
    notice: Callable[[httpx.Client], str | None]


def aws_notice(metadata: httpx.Client) -> str | None:
    """Two minutes before, by the version of the service that needs a token."""
    token = metadata.put(
        "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    ).raise_for_status()
    answer = metadata.get(
        "/latest/meta-data/spot/instance-action",
        headers={"X-aws-ec2-metadata-token": token.text},
    )
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return None
    action = _object(answer)
    return f"AWS will {action.get('action')} this machine at {action.get('time')}"


def gcp_notice(metadata: httpx.Client) -> str | None:
    """Thirty seconds before."""
    answer = metadata.get(
        "/computeMetadata/v1/instance/preempted", headers={"Metadata-Flavor": "Google"}
    ).raise_for_status()
    if answer.text.strip() != "TRUE":
        return None
    return "Google Cloud preempts this machine"


def azure_notice(metadata: httpx.Client) -> str | None:
    """Thirty seconds before. All machines of a set hear of each other's events."""
    said = {"Metadata": "true"}
    events = _object(metadata.get(AZURE_EVENTS, headers=said)).get("Events")
    found = [e for e in events or () if e.get("EventType") == "Preempt"]
    if not found:
        return None
    name = metadata.get(AZURE_NAME, headers=said).raise_for_status().text.strip()
    for event in found:
        if name in event.get("Resources", ()):
            return f"Azure evicts this machine, {name}, at {event.get('NotBefore')}"
    return None


def _object(answer: httpx.Response) -> dict:
    """A JSON object; anything else is no answer."""
    try:
        found = answer.raise_for_status().json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise httpx.DecodingError(f"{answer.url} answers no object", request=answer.request)
    return found


PROVIDERS: Mapping[str, Provider] = {
    "aws": Provider("http://169.254.169.254", aws_notice),
    "gcp": Provider("http://169.254.169.254", gcp_notice),
    "azure": Provider("http://169.254.169.254", azure_notice),
}
