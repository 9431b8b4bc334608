import time
from tests.contract.test_breaker import force, rows, API, ROW, predict_json, serve  # noqa
def test_dbg(hub, rows):
    c=hub.client("viewer"); o=hub.client("owner")
    for to in ("open", None, "open", None):
        t=time.time(); a=force(o, rows, to); print(to, a.status_code, "force took", time.time()-t); t=time.time(); n=0
        while predict_json(c, rows, ROW).status_code != (503 if to else 200) and time.time()-t<15: n+=1; time.sleep(.02)
        print("followed after", time.time()-t, n)
        if time.time()-t>14: print(predict_json(c, rows, ROW).text, hub.client().get(f"{API}/replicas/").text)
    print(hub.logs()[:200])
    assert 0
