"""The audit log: one line per request, by its Audit-Id, in Kubernetes' form, and no secret in any of them."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
import requests

from iiab_lab.kube import Kube

from .conftest import MERGE, Running, eventually, refusal

Event = dict[str, Any]
MARK = "marker-of-a-secret-0xC0FFEE"


class Log:
    def __init__(self, server: Running) -> None:
        self._path = server.home / "audit.log"

    def text(self) -> str:
        return self._path.read_text()

    def events(self, audit_id: str) -> list[Event]:
        lines = [line for line in self.text().splitlines() if audit_id in line]
        return [json.loads(line) for line in lines]

    def of(self, answer: requests.Response) -> Event:
        """The one event of a request that is over."""
        found = eventually(lambda: self.events(answer.headers["Audit-Id"]))
        assert len(found) == 1
        event: Event = found[0]
        return event


@pytest.fixture
def log(server: Running) -> Log:
    return Log(server)


@pytest.fixture
def maps(space: str) -> str:
    return f"/api/v1/namespaces/{space}/configmaps"


def test_an_event_says_who_did_what_from_where_and_how_it_ended(kube: Kube, log: Log, maps: str, space: str) -> None:
    headers = {"User-Agent": "test/1.0 (x)"}
    event = log.of(kube.raw("POST", f"{maps}?fieldManager=me", json={"metadata": {"name": "m"}}, headers=headers))
    assert (event["kind"], event["apiVersion"], event["level"]) == ("Event", "audit.k8s.io/v1", "Metadata")
    assert (event["stage"], event["verb"], event["userAgent"]) == ("ResponseComplete", "create", "test/1.0 (x)")
    assert event["requestURI"] == f"{maps}?fieldManager=me" and event["sourceIPs"] == ["127.0.0.1"]
    assert event["user"] == {"username": "kubernetes-admin", "groups": ["system:authenticated", "system:masters"]}
    about = {"resource": "configmaps", "namespace": space, "apiVersion": "v1"}
    assert about.items() <= event["objectRef"].items()
    assert event["responseStatus"] == {"metadata": {}, "code": 201}
    assert event["annotations"]["authorization.k8s.io/decision"] == "allow"
    stamps = [event["requestReceivedTimestamp"], event["stageTimestamp"]]
    assert stamps == sorted(stamps)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", stamp) for stamp in stamps)


@pytest.mark.parametrize(
    ("method", "path", "verb", "about"),
    [
        ("GET", "", "list", {}),
        ("GET", "/m", "get", {"name": "m"}),
        ("DELETE", "", "deletecollection", {}),
        ("DELETE", "/m", "delete", {"name": "m"}),
        ("PUT", "/m", "update", {"name": "m"}),
        ("PATCH", "/m", "patch", {"name": "m"}),
        ("GET", "?fieldSelector=metadata.name=m", "list", {"name": "m"}),
    ],
)
def test_every_verb_is_named_as_rights_name_it(
    kube: Kube, log: Log, maps: str, method: str, path: str, verb: str, about: dict[str, str]
) -> None:
    answer = kube.session.request(method, kube.server + maps + path, json={}, timeout=20)
    event = log.of(answer)
    assert event["verb"] == verb and event["responseStatus"]["code"] == answer.status_code
    assert about.items() <= event["objectRef"].items() and ("name" in event["objectRef"]) is bool(about)


def test_a_subresource_and_a_group_stand_in_the_reference(kube: Kube, log: Log, space: str) -> None:
    path = f"{kube.server}/apis/apps/v1/namespaces/{space}/deployments/web/scale"
    event = log.of(kube.session.get(path, timeout=20))
    assert event["objectRef"] == {
        "resource": "deployments",
        "namespace": space,
        "name": "web",
        "apiGroup": "apps",
        "apiVersion": "v1",
        "subresource": "scale",
    }
    assert "objectRef" not in log.of(kube.session.get(f"{kube.server}/version", timeout=20))


def test_a_refusal_stands_there_with_its_reason(kube: Kube, log: Log, maps: str, server: Running) -> None:
    missing = log.of(kube.session.get(f"{kube.server}{maps}/none", timeout=20))
    assert missing["responseStatus"]["code"] == 404 and missing["responseStatus"]["reason"] == "NotFound"
    assert (
        missing["responseStatus"]["status"] == "Failure" and 'configmaps "none"' in missing["responseStatus"]["message"]
    )
    for headers, code in (({"Impersonate-User": "nobody-in-particular"}, 403), ({"Authorization": "Bearer x"}, 401)):
        event = log.of(kube.session.get(kube.server + maps, headers=headers, timeout=20))
        assert event["responseStatus"]["code"] == code
        assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert "username" not in event["user"], "nobody knows who that was"


def test_who_acts_for_somebody_is_named_with_them(kube: Kube, log: Log) -> None:
    headers = {"Impersonate-User": "ann", "Impersonate-Group": "dev", "Impersonate-Extra-Scopes": "view"}
    event = log.of(kube.session.get(f"{kube.server}/apis", headers=headers, timeout=20))
    assert event["user"]["username"] == "kubernetes-admin"
    assert event["impersonatedUser"] == {
        "username": "ann",
        "groups": ["dev", "system:authenticated"],
        "extra": {"scopes": ["view"]},
    }
    assert (
        'RBAC: allowed by ClusterRoleBinding "system:discovery"' in event["annotations"]["authorization.k8s.io/reason"]
    )


def test_a_watch_is_written_down_when_it_begins_and_when_it_ends(kube: Kube, log: Log, maps: str) -> None:
    with kube.raw("GET", f"{maps}?watch=1&timeoutSeconds=600", stream=True) as answer:
        audit_id = answer.headers["Audit-Id"]
        (began,) = eventually(lambda: log.events(audit_id))
        assert (began["stage"], began["verb"], began["responseStatus"]["code"]) == ("ResponseStarted", "watch", 200)
    ended = eventually(lambda: log.events(audit_id)[1:])
    assert [event["stage"] for event in ended] == ["ResponseComplete"]
    assert ended[0]["verb"] == "watch" and ended[0]["auditID"] == audit_id


def test_every_answer_has_an_id_of_its_own_and_one_line(kube: Kube, log: Log, maps: str) -> None:
    answers = [kube.session.get(kube.server + path, timeout=20) for path in (maps, "/healthz", "/nowhere", "/apis") * 5]
    ids = [answer.headers["Audit-Id"] for answer in answers]
    assert len(set(ids)) == 20
    for answer in answers:
        log.of(answer)


def test_no_secret_is_in_the_log(kube: Kube, log: Log, space: str, server: Running) -> None:
    """Neither in bodies, nor in refusals that quote what they refuse, nor as the credentials of a request."""
    encoded, secrets = base64.b64encode(MARK.encode()).decode(), f"/api/v1/namespaces/{space}/secrets"
    kube.raw("POST", secrets, json={"metadata": {"name": "s"}, "stringData": {"password": MARK}})
    kube.raw("PATCH", f"{secrets}/s", json={"data": {"more": encoded}}, headers=MERGE)
    kube.raw("PUT", f"{secrets}/s", json={"metadata": {"name": "s"}, "data": {"again": encoded}})
    for body in (
        {"metadata": {"name": "t"}, "data": {"password": MARK}},
        {"metadata": {"name": "t"}, "stringData": {"password": [MARK]}},
        {"metadata": {"name": "t"}, "stringData": MARK},
        {"metadata": {"name": "t"}, "type": {"x": MARK}},
    ):
        refusal(lambda body=body: kube.raw("POST", secrets, json=body))
    headers = {"Content-Type": "application/json"}
    refusal(lambda: kube.raw("POST", secrets, data=f'{{"stringData": {{"password": "{MARK}"', headers=headers))
    headers = {"Content-Type": "application/yaml"}
    refusal(lambda: kube.raw("POST", secrets, data=f"stringData: {{password: {MARK}, ]", headers=headers))
    account = f"/api/v1/namespaces/{space}/serviceaccounts"
    kube.raw("POST", account, json={"metadata": {"name": "robot"}})
    token = kube.raw("POST", f"{account}/robot/token", json={"spec": {}}).json()["status"]["token"]
    review = {"spec": {"token": token}}
    kube.raw("POST", "/apis/authentication.k8s.io/v1/tokenreviews", json=review)
    robot = Kube(server.kubeconfig)
    robot.session.headers["Authorization"] = f"Bearer {token}"
    log.of(robot.session.get(f"{kube.server}{secrets}", timeout=20))
    wrong = {"Authorization": f"Bearer {MARK}"}
    last = kube.session.get(kube.server + secrets, headers=wrong, timeout=20)
    log.of(last)
    text = log.text()
    admin = server.credentials.admin_token
    for secret in (MARK, encoded, token, token.split(".")[2], admin):
        assert secret not in text
    assert secrets in text, "the requests themselves are there"
