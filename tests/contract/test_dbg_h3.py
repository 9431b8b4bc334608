from tests.contract.test_v2 import *
def test_x(hub, headers):
    r = hub.client().get("/v2/models/imagenet")
    print(r.status_code, r.text)
    print("\n".join(l[:3000] for l in hub.logs().splitlines() if "Traceback" in l or "failed" in l)[-6000:])
    assert 0
