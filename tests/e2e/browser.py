"""A person at a browser: headless Chromium that keeps account of every console error and of every breach of the policy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CURE = (
    "Chromium was not found on PATH, and the web interface is tested in a real browser.\n"
    "  → Debian, Ubuntu: apt-get install chromium; macOS: brew install --cask chromium"
)
# Nothing but this machine is asked for anything, whatever the browser would like to know.
_ARGUMENTS = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
    "--no-first-run",
    "--disable-component-update",
]
_WATCH = """addEventListener("securitypolicyviolation",
    (event) => console.error("POLICY", event.violatedDirective, event.blockedURI))"""
# WCAG 2: each text that is shown, on the nearest background that is painted.
_CONTRAST = """() => {
  const parsed = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parsed(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest("svg") || !element.checkVisibility()) continue;
    const [a, b] = [light(parsed(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${texts.currentNode.data.trim()}: ${ratio.toFixed(1)}`);
  }
  return poor;
}"""
_UNNAMED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
  .filter((field) => !field.labels.length).map((field) => field.outerHTML)"""


@dataclass
class Person:
    """`refusals` are the codes of pages that are refused on purpose: the console names those too."""

    page: Page
    url: str
    refusals: set[int] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(30_000)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(f"{self.page.url}: {error}"))

    def _heard(self, message: Any) -> None:
        if message.type == "error" and not any(f"status of {code} " in message.text for code in self.refusals):
            self.errors.append(f"{self.page.url}: {message.text}")

    def open(self, path: str) -> int:
        answer = self.page.goto(f"{self.url}/ui/{path}")
        assert answer
        return answer.status

    def sign_in_as_admin(self, password: str) -> None:
        self.open("sign-in")
        self.page.get_by_label("User name").fill("admin")
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url("**/ui/models")

    def sign_in(self, token: str) -> None:
        self.open("sign-in")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Sign in with the token").click()
        self.page.wait_for_url("**/ui/models")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def look(self, folder: Path, name: str) -> None:
        """A picture, and what a picture shows: legible, labelled, within the window."""
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)
        assert self.page.locator("h1").count() == 1, name
        assert self.page.evaluate(_CONTRAST) == [], name
        assert self.page.evaluate(_UNNAMED) == [], name
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(wide) <= 0, f"{name} is wider than the window"
        assert self.page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 18, name


@contextmanager
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, CURE
    # Chromium's own sandbox refuses to work for root, which CI often is.
    arguments = [*_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@contextmanager
def person(browser: Browser, url: str, **settings: Any) -> Iterator[Person]:
    """In a profile of their own; whoever leaves has seen no error."""
    context = browser.new_context(viewport=settings.pop("viewport", {"width": 1280, "height": 800}), **settings)
    context.add_init_script(_WATCH)
    made = Person(context.new_page(), url)
    try:
        yield made
        assert made.errors == []
    finally:
        context.close()
