"""Who is asking: tokens and what they die with, acting for somebody, and nobody at all."""

from __future__ import annotations

import base64
import http.client
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from iiab_lab.kube import Kube

from .conftest import WHO, Running, refusal, who

ISSUER = "https://kubernetes.default.svc"
REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"
POD = {
    "metadata": {"name": "p"},
    "spec": {"serviceAccountName": "robot", "containers": [{"name": "main", "image": "x"}]},
}


def holder(server: Running, token: str) -> Kube:
    kube = Kube(server.kubeconfig)
    kube.session.headers["Authorization"] = f"Bearer {token}"
    return kube


@pytest.fixture
def account(kube: Kube, space: str) -> str:
    """The path of a ServiceAccount of the test's own."""
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": space}})
    return f"/api/v1/namespaces/{space}/serviceaccounts/robot"


def issue(kube: Kube, account: str, **spec: Any) -> str:
    token: str = kube.raw("POST", f"{account}/token", json={"spec": spec}).json()["status"]["token"]
    return token


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def test_the_kubeconfig_is_of_the_administrator(kube: Kube) -> None:
    assert who(kube) == {"username": "kubernetes-admin", "groups": ["system:authenticated", "system:masters"]}


def test_a_token_is_of_its_account_and_carries_its_groups(
    server: Running, kube: Kube, space: str, account: str
) -> None:
    uid = kube.raw("GET", account).json()["metadata"]["uid"]
    assert who(holder(server, issue(kube, account))) == {
        "username": f"system:serviceaccount:{space}:robot",
        "uid": uid,
        "groups": ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{space}"],
    }


def test_a_token_dies_with_its_account_and_is_not_of_one_made_anew(server: Running, kube: Kube, account: str) -> None:
    token = issue(kube, account)
    body = {"metadata": {"name": "robot"}}
    kube.raw("DELETE", account)
    assert refusal(lambda: who(holder(server, token)))[:2] == (401, "Unauthorized")
    kube.raw("POST", account.rpartition("/")[0], json=body)
    assert refusal(lambda: who(holder(server, token)))[0] == 401
    assert who(holder(server, issue(kube, account)))


@pytest.mark.parametrize(
    ("kind", "plural", "body"), [("Pod", "pods", POD), ("Secret", "secrets", {"metadata": {"name": "p"}})]
)
def test_a_bound_token_dies_with_what_it_is_bound_to(
    server: Running, kube: Kube, space: str, account: str, kind: str, plural: str, body: dict[str, Any]
) -> None:
    path = f"/api/v1/namespaces/{space}/{plural}"
    uid = kube.raw("POST", path, json=body).json()["metadata"]["uid"]
    robot = holder(server, issue(kube, account, boundObjectRef={"apiVersion": "v1", "kind": kind, "name": "p"}))
    extra = {"authentication.kubernetes.io/pod-name": ["p"], "authentication.kubernetes.io/pod-uid": [uid]}
    assert who(robot).get("extra") == (extra if kind == "Pod" else None)
    kube.raw("DELETE", f"{path}/p", params={"gracePeriodSeconds": "0"})
    assert refusal(lambda: who(robot))[0] == 401
    kube.raw("POST", path, json=body)
    assert refusal(lambda: who(robot))[0] == 401, "another of the same name is not the same"


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ({"kind": "Pod", "name": "none"}, 404),
        ({"kind": "Secret", "name": "none"}, 404),
        ({"kind": "ConfigMap", "name": "kube-root-ca.crt"}, 400),
        ({"kind": "Pod"}, 404),
        ("Pod", 400),
        ({"kind": "Secret", "name": "other", "uid": "not-its-own"}, 409),
        ({"kind": "Pod", "name": "of-another"}, 400),
    ],
)
def test_a_token_is_bound_to_what_there_is(
    kube: Kube, space: str, account: str, reference: dict[str, str], code: int
) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": space}})
    spec = {"containers": POD["spec"]["containers"]}
    kube.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "of-another", "namespace": space}, "spec": spec}
    )
    assert refusal(lambda: issue(kube, account, boundObjectRef=reference))[0] == code


@pytest.mark.parametrize("spec", [{"expirationSeconds": 599}, {"expirationSeconds": -1}])
def test_a_token_lasts_ten_minutes_at_least(kube: Kube, account: str, spec: dict[str, Any]) -> None:
    code, reason, message = refusal(lambda: issue(kube, account, **spec))
    assert (code, reason) == (422, "Invalid") and "may not specify a duration less than 10 minutes" in message


@pytest.mark.parametrize("body", ["[]", '{"spec": []}', '{"spec": {"audiences": "x"}}', '{"spec": {"audiences": [1]}}'])
def test_a_request_for_a_token_that_is_none_is_a_bad_request(kube: Kube, account: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert refusal(lambda: kube.raw("POST", f"{account}/token", data=body, headers=headers))[0] == 400


def test_a_token_for_others_is_no_token_for_us(server: Running, kube: Kube, account: str) -> None:
    token = issue(kube, account, audiences=["vault"])
    assert refusal(lambda: who(holder(server, token)))[0] == 401
    both = issue(kube, account, audiences=["vault", ISSUER])
    assert who(holder(server, both))["username"].endswith(":robot")


def resigned(server: Running, token: str, **changed: Any) -> str:
    return jwt.encode(claims(token) | changed, server.credentials.token_key, "ES256")


def test_a_token_counts_from_its_beginning_to_its_end_and_only_from_us(
    server: Running, kube: Kube, account: str
) -> None:
    good, now = issue(kube, account), int(time.time())
    assert who(holder(server, resigned(server, good)))
    for wrong in (
        {"exp": now - 5, "iat": now - 900, "nbf": now - 900},
        {"nbf": now + 900},
        {"iss": "https://elsewhere"},
        {"kubernetes.io": {}},
        {"kubernetes.io": "x"},
        {"aud": []},
    ):
        token = resigned(server, good, **wrong)
        assert refusal(lambda token=token: who(holder(server, token)))[0] == 401, wrong
    other = jwt.encode(claims(good), ec.generate_private_key(ec.SECP256R1()), "ES256")
    assert refusal(lambda: who(holder(server, other)))[0] == 401


def test_a_token_that_was_touched_is_no_token(server: Running, kube: Kube, account: str) -> None:
    head, body, signature = issue(kube, account).split(".")
    flipped = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
    master = base64.urlsafe_b64encode(json.dumps({"sub": "kubernetes-admin"}).encode()).decode().rstrip("=")
    none = jwt.encode(claims(f"{head}.{body}.{signature}"), None, "none")
    public = server.credentials.token_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(f"{header}.{body}".encode(), public)
    confused = f"{header}.{body}.{base64.urlsafe_b64encode(hmac).decode().rstrip('=')}"
    for token in (f"{head}.{body}.{flipped}", f"{head}.{master}.{signature}", f"{head}.{body}.", none, confused, "x"):
        assert refusal(lambda token=token: who(holder(server, token)))[0] == 401


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWRtaW46YWRtaW4=",
        "Token x",
        "Bearer \xff\xfe",
        "Bearer a b",
        "Bearer " + "x" * 9000,
    ],
)
def test_what_is_no_identity_is_401_and_says_so(server: Running, kube: Kube, authorization: str) -> None:
    code, headers, body = ask(kube, "GET", "/api/v1/namespaces", [("Authorization", authorization)])
    status = json.loads(body)
    assert (code, status["kind"], status["reason"]) == (401, "Status", "Unauthorized")
    assert headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/healthz", 200),
        ("/livez", 200),
        ("/livez/ping", 200),
        ("/readyz?verbose", 200),
        ("/version", 200),
        ("/metrics", 401),
        ("/api", 401),
        ("/apis", 401),
        ("/openapi/v3", 401),
        ("/healthz/../metrics", 404),
        ("/healthzz", 401),
        ("/api/v1/secrets", 401),
    ],
)
def test_nobody_may_ask_for_health_and_version_alone(kube: Kube, path: str, code: int) -> None:
    assert ask(kube, "GET", path, [])[0] == code


def ask(kube: Kube, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"") -> Any:
    """A request with exactly these headers, which may repeat → (code, headers, body)."""
    connection = http.client.HTTPSConnection(kube.server.removeprefix("https://"), context=kube.tls, timeout=20)
    connection.putrequest(method, path)
    for name, value in [*headers, ("Content-Length", str(len(body)))]:
        connection.putheader(name, value.encode("latin-1"))
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def acting(kube: Kube, *headers: tuple[str, str]) -> tuple[int, dict[str, Any]]:
    """SelfSubjectReview as somebody else → (code, who they are or the refusal)."""
    own = [("Authorization", str(kube.session.headers["Authorization"])), ("Content-Type", "application/json")]
    code, _, body = ask(kube, "POST", WHO, [*own, *headers], b"{}")
    answer = json.loads(body)
    return code, answer["status"]["userInfo"] if code < 400 else answer


def test_acting_for_a_user_with_groups_uid_and_extra(kube: Kube) -> None:
    headers = [("Impersonate-User", "ann"), ("Impersonate-Group", "dev"), ("Impersonate-Group", "ops")]
    headers += [("Impersonate-Uid", "7"), ("Impersonate-Extra-Scopes", "a"), ("Impersonate-Extra-Scopes", "b")]
    headers += [("Impersonate-Extra-acme.com%2Fproject", "c")]
    assert acting(kube, *headers) == (
        201,
        {
            "username": "ann",
            "uid": "7",
            "groups": ["dev", "ops", "system:authenticated"],
            "extra": {"scopes": ["a", "b"], "acme.com/project": ["c"]},
        },
    )


def test_who_one_acts_for_has_the_groups_of_their_kind(kube: Kube) -> None:
    _, robot = acting(kube, ("Impersonate-User", "system:serviceaccount:shop:robot"))
    assert robot["groups"] == ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:shop"]
    nobody = [("Authorization", str(kube.session.headers["Authorization"])), ("Impersonate-User", "system:anonymous")]
    assert ask(kube, "GET", "/healthz", nobody)[0] == 200
    assert ask(kube, "GET", "/api", nobody)[0] in (401, 403)


def test_groups_of_nobody_are_a_bad_request(kube: Kube) -> None:
    for header in (("Impersonate-Group", "dev"), ("Impersonate-Uid", "7"), ("Impersonate-Extra-scopes", "a")):
        assert acting(kube, header)[0] == 400


def test_acting_for_others_needs_the_right_to_each_of_them(
    server: Running, kube: Kube, space: str, account: str
) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["ann"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["dev"], "verbs": ["impersonate"]},
        {
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["userextras/scopes"],
            "resourceNames": ["view"],
            "verbs": ["impersonate"],
        },
    ]
    grant(kube, space, rules)
    robot, ann = holder(server, issue(kube, account)), ("Impersonate-User", "ann")
    assert acting(robot, ann)[0] == 201
    assert acting(robot, ann, ("Impersonate-Group", "dev"))[0] == 201
    assert acting(robot, ann, ("Impersonate-Extra-Scopes", "view"))[0] == 201
    code, refused = acting(robot, ("Impersonate-User", "ben"))
    assert code == 403 and 'users "ben" is forbidden: User "system:serviceaccount:' in refused["message"]
    for more in (
        ("Impersonate-Group", "ops"),
        ("Impersonate-Group", "system:masters"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Extra-Scopes", "edit"),
        ("Impersonate-Extra-Other", "view"),
    ):
        assert acting(robot, ann, more)[0] == 403, more
    assert acting(robot, ("Impersonate-User", f"system:serviceaccount:{space}:default"))[0] == 403


def grant(kube: Kube, space: str, rules: list[dict[str, Any]]) -> None:
    """These rules everywhere, for the account `robot` of the space."""
    api, group = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    kube.apply({"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": space}, "rules": rules})
    kube.apply(
        {
            "apiVersion": api,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": space},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": space},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": space}],
        }
    )


def test_a_token_review_tells_whose_it_is_and_for_whom(kube: Kube, space: str, account: str) -> None:
    review = lambda **spec: kube.raw("POST", REVIEW, json={"spec": spec}).json()["status"]  # noqa: E731
    token = issue(kube, account, audiences=["vault", "shop"])
    found = review(token=token, audiences=["shop", "bank"])
    assert found["authenticated"] and found["user"]["username"] == f"system:serviceaccount:{space}:robot"
    assert found["audiences"] == ["shop"], "those that both name"
    assert review(token=token)["authenticated"] is False
    assert review(token="x")["authenticated"] is False and "error" in review(token="x")
