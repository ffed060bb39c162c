"""The web interface over HTTP, on a real API server with two tenants and a model of each: who gets in, and what is seen."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from kubernetes import config
from starlette.testclient import TestClient

from iiab_lab.kube import Kube
from iiab_lab.services.identity.app import claims, tenant_of
from iiab_lab.services.identity.clients import ADMIN, TENANT, Client
from iiab_lab.services.identity.keys import KeyRing, new_pem
from iiab_lab.services.management.app import application
from iiab_lab.services.management.platform import Platform
from iiab_lab.services.management.registry.registry import Limits
from iiab_lab.services.management.services import compose
from iiab_lab.services.management.web import site

from ...engines.embedded.apiserver.conftest import Running

URL = "http://localhost:8085"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
OPEN = {"/", "/sign-in", "/sign-in/token"}
WORDS = {"namespace": "tenant-a", "name": "iris-a", "key_id": "default-1", "version": "1"}


@pytest.fixture(scope="module")
def keys() -> KeyRing:
    ring = KeyRing(None, "identity")
    ring.take(
        {kid: new_pem().encode() for kid in ("key-0001", "tenant-a.key-0001", "tenant-b.key-0001", "tenant-z.key-0001")}
    )
    return ring


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, keys: KeyRing) -> Iterator[FastAPI]:
    folder = tmp_path_factory.mktemp("web")
    with Running(folder) as server:
        kube = Kube(server.kubeconfig)
        for obj in _objects(keys):
            kube.apply(obj)
        platform = Platform(config.new_client_from_config(str(server.kubeconfig)))
        volume = folder / "registry"
        volume.mkdir()
        yield application(compose(platform, "tenant-a", volume, Limits(4 << 20, 8 << 20)))


def _objects(keys: KeyRing) -> Iterator[dict]:
    for name in ("identity", "tenant-a", "tenant-b"):
        labels = {"iiab.lab/tenant": name} if name != "identity" else {}
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    meta = {"name": "identity-jwks", "namespace": "identity"}
    sets = {"jwks": keys.jwks()} | {f"{tenant}.jwks": keys.jwks(tenant) for tenant in ("tenant-a", "tenant-b")}
    data = {name: json.dumps(found) for name, found in sets.items()}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
    runtime = {"containers": [{"name": "kserve-container", "image": "kserve/sklearnserver:v0.20.0"}]}
    runtime |= {"supportedModelFormats": [{"name": "sklearn", "version": "1", "autoSelect": True}]}
    kind = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterServingRuntime"}
    yield {**kind, "metadata": {"name": "kserve-sklearnserver"}, "spec": runtime}
    for letter in "ab":
        model = {"modelFormat": {"name": "sklearn"}, "storageUri": f"pvc://models/secret-{letter}"}
        meta = {"name": f"iris-{letter}", "namespace": f"tenant-{letter}"}
        kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
        yield {**kind, "metadata": meta, "spec": {"predictor": {"model": model}}}


class Browser:
    """What a browser does: it keeps cookies, says where a form comes from, and sends the form's token."""

    def __init__(self, app: FastAPI) -> None:
        self.client = TestClient(app, base_url=URL, follow_redirects=False, headers={"host": "localhost:8085"})

    def get(self, path: str, **options: str) -> httpx.Response:
        return self.client.get(f"/ui/{path}", params=options or None)

    def send(
        self, path: str, page: str = "models/new", origin: str = URL, csrf: str = "", **form: str
    ) -> httpx.Response:
        """`page` holds the form; `csrf` is its token where it is not said."""
        token = csrf or re.findall(r'name="csrf" value="([0-9a-f]+)"', self.get(page).text)[-1]
        headers = {"origin": origin} if origin else {}
        return self.client.post(f"/ui/{path}", data={"csrf": token, **form}, headers=headers)

    def sign_in(self, token: str, **form: str) -> httpx.Response:
        return self.send("sign-in/token", "sign-in", token=token, **form)


@pytest.fixture
def token(keys: KeyRing):
    def make(tenant: str, role: str = TENANT, age: float = 0) -> str:
        client = Client(tenant, role)
        return keys.sign(tenant_of(client), claims(client, time.time() - age))

    return make


@pytest.fixture
def stranger(app: FastAPI) -> Browser:
    return Browser(app)


@pytest.fixture
def tenant(app: FastAPI, token) -> Browser:
    browser = Browser(app)
    assert browser.sign_in(token("tenant-a")).status_code == 303
    return browser


@pytest.fixture
def admin(app: FastAPI, token) -> Browser:
    browser = Browser(app)
    assert browser.sign_in(token("admin", ADMIN)).status_code == 303
    return browser


def pages(app: FastAPI, method: str) -> list[str]:
    """Every path that takes this method, with words of ours in its places."""
    routers = [part.router for part in vars(site).values() if hasattr(part, "router")]
    routes = [route for router in routers for route in router.routes]
    found = [route.path for route in routes if isinstance(route, APIRoute) and method in route.methods]
    assert len(found) >= 10
    return [path.format(**WORDS).lstrip("/") for path in found if path not in OPEN]


def test_nobody_sees_a_page_without_signing_in(app: FastAPI, stranger: Browser) -> None:
    for path in pages(app, "GET"):
        answer = stranger.get(path)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/ui/sign-in"), path
        assert "iris" not in answer.text
    assert stranger.client.get("/").headers["location"] == "/ui/models"


def test_no_form_is_taken_from_a_stranger(app: FastAPI, stranger: Browser) -> None:
    for path in pages(app, "POST"):
        answer = stranger.client.post(f"/ui/{path}", data={"csrf": "x"}, headers={"origin": URL})
        assert answer.status_code == 303 and answer.headers["location"] == "/ui/sign-in", path


def test_no_form_is_taken_without_its_token_or_from_another_site(app: FastAPI, admin: Browser) -> None:
    for path in pages(app, "POST"):
        if path == "models/upload":
            continue  # of another encoding: below
        assert admin.send(path, csrf="0" * 64).status_code == 403, path
        for origin in ("http://evil.example", "null", ""):
            answer = admin.send(path, origin=origin)
            assert answer.status_code == 403 and "another site" in answer.text, path
    assert admin.get("models/tenant-a/iris-a").status_code == 200


def test_no_upload_is_taken_without_its_token_or_from_another_site(app: FastAPI, admin: Browser) -> None:
    def send(csrf: str, origin: str) -> httpx.Response:
        form = {"csrf": csrf, "name": "sent", "namespace": "tenant-a"}
        file = {"file": ("model.joblib", b"\x80\x04N.")}
        return admin.client.post("/ui/models/upload", data=form, files=file, headers={"origin": origin})

    good = re.findall(r'name="csrf" value="([0-9a-f]+)"', admin.get("models/upload").text)[-1]
    assert send("0" * 64, URL).status_code == 403 and send(good, "http://evil.example").status_code == 403
    assert send(good, URL).status_code == 400  # it is read, and it is no model
    assert admin.get("models/tenant-a/sent").status_code == 404


def test_another_sessions_token_opens_no_form(admin: Browser, tenant: Browser) -> None:
    theirs = re.findall(r'name="csrf" value="([0-9a-f]+)"', admin.get("models/new").text)[-1]
    assert tenant.send("models/new", csrf=theirs, name="x").status_code == 403


def test_signing_in_is_protected_too(stranger: Browser, token) -> None:
    good = token("tenant-a")
    assert stranger.send("sign-in/token", "sign-in", csrf="0" * 64, token=good).status_code == 403
    assert stranger.send("sign-in/token", "sign-in", origin="http://evil.example", token=good).status_code == 403
    assert stranger.get("models").status_code == 303


def test_the_cookie_is_opaque_and_goes_nowhere_else(stranger: Browser, token) -> None:
    given = token("tenant-a")
    answer = stranger.sign_in(given)
    said = [cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith("session=")]
    assert len(said) == 1 and given not in said[0]
    assert re.fullmatch(r"session=[\w-]{43}; HttpOnly; Path=/ui; SameSite=strict", said[0])
    secure = Browser(stranger.client.app)
    secure.client.headers["x-forwarded-proto"] = "https"
    assert all("; Secure" in one for one in secure.sign_in(given).headers.get_list("set-cookie") if "session=" in one)


def test_the_session_of_a_cookie_that_was_planted_is_not_used(stranger: Browser, token) -> None:
    stranger.client.cookies.set("session", "planted", domain="localhost.local", path="/ui")
    stranger.sign_in(token("tenant-a"))
    planted = Browser(stranger.client.app)
    planted.client.cookies.set("session", "planted", domain="localhost.local", path="/ui")
    assert planted.get("models").status_code == 303


def test_signing_out_ends_the_session_on_the_server(tenant: Browser) -> None:
    kept = tenant.client.cookies["session"]
    assert tenant.send("sign-out").headers["location"] == "/ui/sign-in"
    thief = Browser(tenant.client.app)
    thief.client.cookies.set("session", kept, domain="localhost.local", path="/ui")
    assert thief.get("models").status_code == 303


@pytest.mark.parametrize("wanted", ["//evil.example/", "https://evil.example/", "/uix", "/ui", "javascript:alert(1)"])
def test_after_signing_in_nobody_is_sent_elsewhere(stranger: Browser, token, wanted: str) -> None:
    assert stranger.sign_in(token("tenant-a"), next=wanted).headers["location"] == "/ui/models"


def test_one_comes_back_to_the_page_one_asked_for(stranger: Browser, token) -> None:
    asked = stranger.get("models/tenant-a/iris-a").headers["location"]
    assert asked == "/ui/sign-in?next=%2Fui%2Fmodels%2Ftenant-a%2Firis-a"
    assert stranger.sign_in(token("tenant-a"), next="/ui/usage").headers["location"] == "/ui/usage"


def test_a_token_that_is_not_good_is_refused_beside_the_field_and_not_sent_back(stranger: Browser, token) -> None:
    for bad in ("", "x", token("tenant-a")[:-4] + "AAAA", token("tenant-a", age=7200), token("tenant-z")):
        answer = stranger.sign_in(bad)
        assert answer.status_code in (403, 404) and 'id="token-error"' in answer.text
        assert len(bad) < 10 or bad not in answer.text
    assert stranger.get("models").status_code == 303


def test_every_answer_has_the_policy_and_is_kept_by_nobody(app: FastAPI, admin: Browser, stranger: Browser) -> None:
    paths = [*pages(app, "GET"), "nowhere", "sign-in", "static/style.css", "static/nowhere.css"]
    for browser in (admin, stranger):
        for path in paths:
            answer = browser.get(path)
            assert answer.headers["content-security-policy"] == POLICY, path
            assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-frame-options"] == "DENY"
            kept = path == "static/style.css"
            assert ("immutable" if kept else "no-store") in answer.headers["cache-control"], path


def test_the_rest_api_knows_no_cookie(tenant: Browser) -> None:
    session = {"cookie": f"session={tenant.client.cookies['session']}"}
    for method, path in (("GET", "/api/models"), ("POST", "/api/models"), ("DELETE", "/api/models/iris-a")):
        assert tenant.client.request(method, path, headers=session).status_code == 401
    assert tenant.client.get("/api/nowhere").json() == {"error": "API endpoint not found"}


def test_a_tenant_sees_its_own_alone(tenant: Browser) -> None:
    listed = tenant.get("models").text
    assert "iris-a" in listed and "iris-b" not in listed and "tenant-b" not in listed
    for path in ("", "/edit", "/delete", "/publish"):
        own, other = tenant.get(f"models/tenant-a/iris-a{path}"), tenant.get(f"models/tenant-b/iris-b{path}")
        assert own.status_code == 200 and other.status_code == 404 and "secret-b" not in other.text
        mixed = tenant.get(f"models/tenant-b/iris-a{path}")  # its own name in another's namespace
        assert mixed.status_code == 404
    for path in ("edit", "delete", "publish", "predict", "versions/1/delete"):
        assert tenant.send(f"models/tenant-b/iris-b/{path}", input="{}").status_code == 404
    tenant.send("models/new", name="planted", namespace="tenant-b", framework="sklearn", storageUri="pvc://m/x")
    assert tenant.get("models/tenant-a/planted").status_code == 200, "a tenant's model is in its own namespace"
    assert tenant.get("models/tenant-b/planted").status_code == 404
    tenant.send("models/tenant-a/planted/delete")


def test_the_admins_pages_tell_a_tenant_what_to_do(tenant: Browser) -> None:
    for path in ("tenants", "system", "console"):
        answer = tenant.get(path)
        assert answer.status_code == 403 and "sign in with the admin’s password" in answer.text
        assert f'href="/ui/{path}"' not in tenant.get("models").text
    assert tenant.send("console", command="get pods -A").status_code == 403


def test_the_console_reads_and_remembers_and_shows_no_secret(admin: Browser) -> None:
    answer = admin.send("console", command="get isvc -A")
    assert answer.status_code == 200 and "iris-b" in answer.text
    for command in ("delete isvc iris-b -n tenant-b", "get secrets -A -o yaml", "get pods; id", "get 'x"):
        refused = admin.send("console", command=command)
        assert refused.status_code == 400 and 'id="command-error"' in refused.text
    assert "kubectl get isvc -A" in admin.get("console").text


def test_a_model_is_created_changed_and_deleted_and_errors_stand_beside_their_fields(admin: Browser) -> None:
    form = {"name": "fresh", "namespace": "tenant-b", "framework": "sklearn", "storageUri": "pvc://models/iris"}
    bad = admin.send("models/new", **(form | {"name": "Not<Good>", "minReplicas": "5", "maxReplicas": "2"}))
    assert bad.status_code == 400 and 'id="name-error"' in bad.text and 'id="minReplicas-error"' in bad.text
    assert 'value="Not&lt;Good&gt;"' in bad.text and "Not<Good>" not in bad.text
    worse = admin.send("models/new", **(form | {"minReplicas": "many"}))
    assert worse.status_code == 400 and "Copies at least must be a whole number" in worse.text
    made = admin.send("models/new", **form)
    assert made.headers["location"].startswith("/ui/models/tenant-b/fresh?said=")
    where = made.headers["location"].removeprefix("/ui/")
    assert "fresh is created" in admin.get(where).text and "fresh is created" not in admin.get(where).text
    assert admin.send("models/new", **form).status_code == 409
    assert admin.send("models/tenant-b/fresh/edit", **form, maxReplicas="4").status_code == 303
    assert "of 1 to 4" in admin.get("models/tenant-b/fresh").text
    assert "Delete fresh?" in admin.get("models/tenant-b/fresh/delete").text
    assert admin.send("models/tenant-b/fresh/delete").headers["location"].startswith("/ui/models?")
    assert admin.get("models/tenant-b/fresh").status_code == 404


def test_what_is_not_ready_is_said_in_words(admin: Browser) -> None:
    refused = admin.send("models/tenant-a/iris-a/publish")
    assert refused.status_code == 400 and "Model is not ready" in refused.text
    tried = admin.send("models/tenant-a/iris-a/predict", input='{"instances": []}')
    assert tried.status_code == 400 and "not ready" in tried.text
    assert "is not JSON" in admin.send("models/tenant-a/iris-a/predict", input="{").text
    lost = admin.get("usage")
    assert lost.status_code == 503 and "Prometheus is not ready" in lost.text and 'aria-label="Main"' in lost.text
