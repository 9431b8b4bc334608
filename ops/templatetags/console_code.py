"""Commands to copy: how to call the hub with curl, or with its own command."""

from typing import Any

from django import template

register = template.Library()

_COMMANDS = {
    "token": """TOKEN=$(curl -s {url}/api/v1/auth/token/ \\
  -H 'Content-Type: application/json' \\
  -d '{{"username": "{name}", "password": "…"}}' \\
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["access"])')""",
    "predict_image": """curl {url}/api/v1/models/{name}/predict/{query} \\
  -H "Authorization: Bearer $TOKEN" \\
  -F image=@photo.jpg""",
    "predict_json": """curl {url}/api/v1/models/{name}/predict/{query} \\
  -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' \\
  -d '{{"inputs": …}}'""",
    "predict_key": """curl {url}/api/v1/models/{name}/predict/ \\
  -H "Authorization: Api-Key $AIHUB_KEY" \\
  -F image=@photo.jpg""",
    "publish": """curl {url}/api/v1/models/{name}/versions/ \\
  -H "Authorization: Bearer $TOKEN" \\
  -F version=2.0.0 \\
  -F architecture=resnet50 \\
  -F file=@model.safetensors

aihub login --url {url}
aihub push {name} 2.0.0 model.safetensors --architecture resnet50""",
    "publish_file": """curl {url}/api/v1/models/{name}/versions/ \\
  -H "Authorization: Bearer $TOKEN" \\
  -F version=2.0.0 \\
  -F file=@model.onnx

aihub login --url {url}
aihub push {name} 2.0.0 model.onnx""",
}


@register.inclusion_tag("console/code.html")
def code(kind: str, url: str, name: str, version: str = "") -> dict[str, Any]:
    """A command in a box with a button that copies it."""
    query = f"?version={version}" if version else ""
    return {"code": _COMMANDS[kind].format(url=url, name=name, query=query)}
