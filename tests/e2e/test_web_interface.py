"""The web interface in headless Chromium on a running platform: as an admin, as a tenant, by keyboard, without JavaScript."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import joblib
import pytest
from playwright.sync_api import Browser, Page, expect
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from .browser import Person, chromium, person
from .lab import Lab, eventually
from .management import Edge, Management, password

EVERYWHERE = ("models", "models/new", "models/upload", "published", "usage")
ADMINS = ("tenants", "system", "console")
OF_A_MODEL = ("models/{}", "models/{}/edit", "models/{}/delete", "models/{}/publish")
PUBLISHED = ("published/{}", "published/{}/documentation", "published/{}/edit", "published/{}/unpublish")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def url(lab: Lab) -> str:
    return lab.url("management")


@pytest.fixture(scope="module")
def rest(lab: Lab) -> Management:
    return Management(lab, lab.token("admin"))


@pytest.fixture
def admin(lab: Lab, browser: Browser, url: str) -> Iterator[Person]:
    with person(browser, url, permissions=["clipboard-read", "clipboard-write"]) as made:
        made.sign_in_as_admin(password(lab))
        yield made


@pytest.fixture
def tenant(lab: Lab, browser: Browser, url: str) -> Iterator[Person]:
    with person(browser, url) as made:
        made.sign_in(lab.token("tenant-a"))
        yield made


@pytest.fixture
def model(rest: Management, request: pytest.FixtureRequest) -> Iterator[str]:
    """A ready model of tenant-a with a name of the test's own."""
    name = "web-" + re.sub("[^a-z0-9]+", "-", request.node.originalname)[5:35].strip("-")
    rest.create(name)
    yield name
    rest.remove(name)


def shown_key(page: Page) -> str:
    return page.locator("#new-key").inner_text()


def test_from_signing_in_to_unpublishing(lab: Lab, rest: Management, admin: Person, tmp_path: Path) -> None:
    page, name, edge = admin.page, "web-workflow", Edge(lab)
    path = f"/published/models/{name}"
    try:
        admin.follow("Create from a source")
        page.get_by_role("textbox", name="Name").fill(name)
        page.get_by_label("Source").fill("pvc://models/sklearn-iris")
        admin.press("Create")
        expect(page.get_by_role("status")).to_contain_text("is created")
        # Nobody reloads: the page itself says when the model is ready.
        expect(page.locator("#state")).to_contain_text("Ready", timeout=60_000)
        admin.press("Predict")
        expect(page.get_by_role("status")).to_contain_text('{"predictions": [0]}')
        expect(page.get_by_role("status")).to_contain_text(re.compile(r"in [\d.]+ ms"))

        admin.follow("Publish")
        admin.refusals.add(400)
        page.get_by_label("Path").fill("no slash")
        page.get_by_label("Requests a minute").fill("90")
        admin.press("Publish")
        expect(page.locator("#externalPath-error")).to_contain_text("must begin with /")
        expect(page.get_by_label("Path")).to_be_focused()
        expect(page.get_by_label("Requests a minute")).to_have_value("90")
        page.get_by_label("Path").fill("")
        admin.press("Publish")
        first = shown_key(page)
        admin.press("Copy the key")
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == first
        admin.look(tmp_path, "published")
        assert edge.predict(path, first).json() == {"predictions": [0]}
        expect(page.locator("#live")).to_contain_text(re.compile(r"1\s*of 90"))
        expect(page.locator("#keys time").nth(1)).to_contain_text("ago")  # last used
        page.reload()
        assert page.locator("#new-key").count() == 0 and first not in page.content()

        page.get_by_role("link", name="Rotate default-").click()
        page.get_by_label("Overlap in seconds").fill("1")
        admin.press("Make the new key")
        second = shown_key(page)
        assert second != first and edge.predict(path, second).status_code == 200
        eventually(lambda: edge.predict(path, first).status_code == 401)
        expect(page.locator("#keys tbody tr")).to_have_count(1)

        page.get_by_role("textbox", name="Name").fill("partner")
        admin.press("Add the key")
        third = shown_key(page)
        assert edge.predict(path, third).status_code == 200
        page.get_by_role("link", name="Revoke partner-").click()
        expect(page.get_by_role("heading")).to_contain_text("Revoke partner-")
        admin.press("Revoke the key")
        expect(page.get_by_role("status")).to_contain_text("is revoked")
        assert edge.predict(path, third).status_code == 401 and edge.predict(path, second).status_code == 200

        admin.follow("Unpublish")
        admin.press("Unpublish")
        expect(page.get_by_role("status")).to_contain_text("is unpublished")
        assert edge.predict(path, second).status_code == 404
        admin.open(f"models/tenant-a/{name}/delete")
        admin.press("Delete the model")
        expect(page.get_by_role("status")).to_contain_text("is deleted")
        assert rest.call("GET", f"/api/models/{name}").status_code == 404
        assert not any(key in text for key in (first, second, third) for text in told(lab))
    finally:
        rest.remove(name)


def test_callers_notice_nothing_while_keys_are_changed(lab: Lab, rest: Management, admin: Person, model: str) -> None:
    """Another key rotated, expired and revoked under load: not one answer but 200."""
    key = rest.publish(model, rateLimiting={"requestsPerMinute": 10**6, "requestsPerHour": 10**6})
    added = rest.ok("POST", f"/api/models/{model}/keys", {"name": "changed"})["keyId"]
    codes, over, edge = Counter[int](), threading.Event(), Edge(lab)

    def call() -> None:
        while not over.is_set():
            codes[edge.predict(f"/published/models/{model}", key).status_code] += 1

    caller = threading.Thread(target=call)
    caller.start()
    try:
        for overlap in ("0", "1"):
            admin.open(f"published/tenant-a/{model}/keys/{added}/rotate")
            admin.page.get_by_label("Overlap in seconds").fill(overlap)
            admin.press("Make the new key")
            added = admin.page.locator(".note code").first.inner_text()
            expect(admin.page.locator("#keys tbody tr")).to_have_count(2)  # the old one is gone
        admin.page.get_by_role("link", name=f"Revoke {added}").click()
        admin.press("Revoke the key")
        expect(admin.page.get_by_role("status")).to_contain_text("is revoked")
    finally:
        over.set()
        caller.join()
    assert codes.keys() == {200} and codes[200] > 50, codes


def told(lab: Lab) -> Iterator[str]:
    for file in [*(lab.home / "logs").rglob("*"), lab.home / "control-plane.log"]:
        if file.is_file():
            yield file.read_text(errors="replace")


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("dark", 1280),
        ("light", 420),
        pytest.param("light", 1280, marks=pytest.mark.soak),
        pytest.param("dark", 1920, marks=pytest.mark.soak),
    ],
    ids=str,
)
def test_every_page_is_legible_and_breaks_no_rule(
    lab: Lab, rest: Management, browser: Browser, url: str, model: str, tmp_path: Path, scheme: str, width: int
) -> None:
    rest.publish(model)
    where = f"tenant-a/{model}"
    with person(browser, url, color_scheme=scheme, viewport={"width": width, "height": 900}) as someone:
        someone.open("sign-in")
        someone.look(tmp_path, "sign-in")
        someone.sign_in_as_admin(password(lab))
        for path in (*EVERYWHERE, *ADMINS, *(one.format(where) for one in (*OF_A_MODEL, *PUBLISHED))):
            assert someone.open(path) == 200, path
            someone.look(tmp_path, path.replace("/", "-"))
        someone.page.goto(f"{url}/ui/console?command=get pods -A")
        someone.press("Run")
        someone.look(tmp_path, "console-answered")
        someone.refusals |= {400, 404}
        assert someone.open("nowhere") == 404
        someone.look(tmp_path, "nowhere")
        someone.open(f"published/{where}")
        someone.page.get_by_role("textbox", name="Name").fill("Not Good")
        someone.press("Add the key")
        someone.look(tmp_path, "refused")


def test_by_keyboard_alone(lab: Lab, browser: Browser, url: str, model: str) -> None:
    """Tab, Enter and typing; what has the focus is always to be seen."""
    with person(browser, url) as someone:
        page = someone.page
        someone.open("sign-in")
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        tab_to(page, "token")
        page.keyboard.insert_text(lab.token("tenant-a"))
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/ui/models")
        tab_to(page, model)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/{model}")
        tab_to(page, "input")
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.insert_text('{"instances": [[6.5, 3.0, 5.2, 2.0]]}')
        tab_to(page, "Predict")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text('{"predictions": [2]}')
        tab_to(page, "Delete")
        page.keyboard.press("Enter")
        page.wait_for_url("**/delete")
        tab_to(page, "Keep it")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/{model}")


def focused(page: Page) -> str:
    """The text of what has the focus, or its id; which has to be drawn with an outline."""
    said = """() => { const one = document.activeElement, style = getComputedStyle(one);
      const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
      return [one.labels ? one.id || one.innerText : one.innerText.trim(), outlined || one === document.body]; }"""
    name, visible = page.evaluate(said)
    assert visible, f"the focus on {name} is not to be seen"
    return str(name)


def tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"{name} is not reached by Tab")


def test_without_javascript_everything_works(
    lab: Lab, rest: Management, browser: Browser, url: str, model: str
) -> None:
    with person(browser, url, java_script_enabled=False) as someone:
        page = someone.page
        someone.sign_in_as_admin(password(lab))
        someone.open(f"models/tenant-a/{model}")
        someone.press("Predict")
        assert '{"predictions": [0]}' in page.locator(".answer").inner_text()
        someone.follow("Publish")
        page.get_by_label("Requests a minute").fill("7")
        someone.press("Publish")
        assert Edge(lab).predict(f"/published/models/{model}", shown_key(page)).status_code == 200
        assert not page.get_by_text("Copy the key").is_visible()
        someone.follow("Change")
        page.get_by_label("Requests a minute").fill("8")
        someone.press("Save the change")
        assert "8 a minute" in page.locator("#live").inner_text()
        someone.follow("Unpublish")
        someone.press("Unpublish")
        assert rest.call("GET", f"/api/models/{model}/publish").status_code == 404
        someone.press("Sign out")
        someone.open("models")
        assert "/ui/sign-in" in page.url


def test_a_file_becomes_a_model(rest: Management, admin: Person, tmp_path: Path) -> None:
    flowers, name = load_iris(return_X_y=True), "web-uploaded"
    joblib.dump(LogisticRegression(max_iter=500).fit(*flowers), tmp_path / "model.joblib")
    (tmp_path / "letter.joblib").write_text("Dear reader")
    page = admin.page
    try:
        admin.follow("Upload a model")
        page.get_by_role("textbox", name="Name").fill(name)
        page.get_by_label("File").set_input_files(tmp_path / "letter.joblib")
        admin.refusals.add(400)
        admin.press("Upload")
        expect(page.get_by_role("alert")).to_contain_text("Not a model")
        expect(page.get_by_role("textbox", name="Name")).to_have_value(name)
        page.get_by_label("File").set_input_files(tmp_path / "model.joblib")
        admin.press("Upload")
        expect(page.locator("#state")).to_contain_text("Ready", timeout=60_000)
        expect(page.locator("#versions tbody tr")).to_have_count(1)
        expect(page.locator("#state")).to_contain_text("uploaded, version 1")
        assert "/registry/" not in page.content()  # the file's address opens it
        admin.look(tmp_path, "uploaded")
        admin.press("Predict")
        expect(page.get_by_role("status")).to_contain_text('{"predictions": [0]}')
    finally:
        rest.remove(name)


def test_a_tenant_is_shown_its_own(lab: Lab, rest: Management, tenant: Person, tmp_path: Path) -> None:
    rest.ok(
        "POST",
        "/api/models",
        {"name": "web-of-b", "framework": "sklearn", "storageUri": "pvc://m/x", "namespace": "tenant-b"},
    )
    tenant.refusals |= {403, 404}
    try:
        assert "sklearn-iris" in tenant.page.locator("#models").inner_text()
        for path in ("models", "published", "usage"):
            assert tenant.open(path) == 200 and "tenant-b" not in tenant.page.content()
        assert tenant.open("models/tenant-b/web-of-b") == 404
        for path in ADMINS:
            assert tenant.open(path) == 403
            expect(tenant.page.get_by_text("Sign out, then sign in with the admin’s password.")).to_be_visible()
        tenant.look(tmp_path, "refused")
    finally:
        rest.call("DELETE", "/api/models/web-of-b?namespace=tenant-b")


def test_another_site_signs_nobody_out(admin: Person) -> None:
    """A page on another port of localhost: to the browser the same site, so it sends the cookie, and another origin."""
    form = f'<form id=f method=post action="{admin.url}/ui/sign-out"><input name=csrf value=guess></form>'
    admin.refusals |= {403, 404}  # and the other site has no icon

    class Foreign(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"<title>elsewhere</title>{form}".encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Foreign) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        admin.page.goto(f"http://localhost:{server.server_port}/")
        with admin.page.expect_navigation() as sent:
            admin.page.evaluate("document.getElementById('f').submit()")
        assert sent.value.status == 403
        expect(admin.page.get_by_text("This form was sent from another site")).to_be_visible()
        server.shutdown()
    assert admin.open("models") == 200 and admin.page.url.endswith("/ui/models")


def test_what_is_used_is_drawn(lab: Lab, rest: Management, admin: Person, model: str, tmp_path: Path) -> None:
    key, edge = rest.publish(model, rateLimiting={"requestsPerMinute": 5}), Edge(lab)
    codes = [edge.predict(f"/published/models/{model}", key).status_code for _ in range(8)]
    assert codes == [200] * 5 + [429] * 3
    admin.open(f"published/tenant-a/{model}")
    expect(admin.page.locator("#live")).to_contain_text(re.compile(r"8\s*of 5\s"))
    expect(admin.page.locator("#live .alarm")).to_have_text("3")
    admin.open("usage")
    row = admin.page.locator("#usage tbody tr", has_text=model)
    expect(row.locator("td.use")).to_have_text("5", timeout=30_000)
    row.get_by_role("link", name=model).click()
    drawn = admin.page.get_by_role("img", name="Requests per second")
    expect(drawn).to_be_visible(timeout=60_000)
    expect(admin.page.locator(".legend")).to_contain_text(f"tenant-a/{model}", timeout=60_000)
    expect(admin.page.locator(".legend li")).to_have_count(1)
    admin.look(tmp_path, "usage")
    admin.open("tenants")
    tenants = admin.page.locator("#tenants tbody tr", has_text="tenant-a")
    expect(tenants.locator("td.use")).not_to_have_text("0")
