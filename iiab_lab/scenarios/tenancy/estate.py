"""A Target → the stage on which tenants try each other: for each a model of its own, an account that may all in its namespace,
a token, and a browser's session. Everything that is made here is gone when the stage is left.
"""

from __future__ import annotations

import pickle
import re
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
from sklearn.tree import DecisionTreeClassifier

from ...errors import NotReady
from ...models import iris
from ...plots.prometheus import Prometheus
from ...target import Target
from ...traffic.identity import require_tenant, tenants
from ...traffic.management import HOST, Management, PublishedModel
from ..security import hostile, intruder
from ..security.attack import SIDECAR, Outcome
from ..security.doors import Place
from ..security.stage import ADMIN, Stage
from ..served import Served

_STORED = ("serving.kserve.io/v1beta1", "InferenceService")
_CERTIFIED, _PORT = "workload.mesh.local", "8080"


class Visit(NamedTuple):
    """What a browser holds that is signed in: its cookie, and the token of its forms."""

    session: str
    csrf: str


class Estate(Stage):
    """`among`: these tenants, else all there are. Raises UsageError for one there is not, NotReady for fewer than two."""

    def __init__(self, target: Target, among: Iterable[str] = ()) -> None:
        super().__init__(target)
        known = tenants(target)
        self.namespaces = {require_tenant(target, name): known[name] for name in sorted(among or known)}
        if len(self.namespaces) < 2:
            raise NotReady("Isolation takes two tenants at least.", "add one: iiab tenant add NAME")
        self._accounts: dict[str, str] = {}
        self._visits: dict[str, Visit] = {}
        self._done: dict[tuple[str, ...], Outcome] = {}

    @cached_property
    def models(self) -> dict[str, PublishedModel]:
        """tenant → its model, uploaded by itself and published with a key."""
        with ThreadPoolExecutor(len(self.namespaces)) as crowd:
            return dict(zip(self.namespaces, crowd.map(self._settled, self.namespaces), strict=True))

    @staticmethod
    def model(tenant: str) -> str:
        return f"isolation-{tenant}"

    def _settled(self, tenant: str) -> PublishedModel:
        name, who = self.model(tenant), Management(self.target, tenant)
        self.finally_(lambda: who.remove(name))
        who.remove(name)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.pkl"
            file.write_bytes(pickle.dumps(hostile.Hostile(self._wanted(), _flowers())))
            self._uploader(tenant).upload(name, file, framework="sklearn", namespace=self.namespaces[tenant])
        who.await_ready(name)
        return who.publish(name, tenant, externalPath=f"/models/{name}")

    def await_series(self) -> None:
        """Prometheus has some of every tenant's: what is not there yet, nobody is denied."""
        spaces = "|".join(self.namespaces[tenant] for tenant in self.models)
        query = f'count(count by (namespace) (up{{namespace=~"{spaces}"}} == 1))'
        Prometheus(self.target).wait_for(query, len(self.namespaces))

    @property
    def confined(self) -> bool:
        """Whether model servers are; where not, a model is the admin's alone to upload."""
        return self.confinement != "none"

    def _uploader(self, tenant: str) -> Management:
        return Management(self.target, tenant if self.confined else ADMIN)

    # What a model, which is code, tries when it is loaded: what is the others' lies beside what is the platform's

    def _wanted(self) -> dict[str, tuple[str, object]]:
        return {
            "own": ("own", "/proc/self/status"),
            "volumes": ("list", str(self.home / "volumes")),
            "pods": ("list", str(self.home / "pods")),
            "records": ("list", str(self.home / "volumes" / "audit")),
            "models": ("list", str(self.home / "volumes" / "default")),
            "store": ("read", str(self.home / "store.db")),
            "network": ("tcp", ("127.0.0.1", urlsplit(self.target.gateway_url).port or 80)),
            "processes": ("environment", 0),
        }

    @cached_property
    def confession(self) -> dict[str, dict[str, str]]:
        """tenant → what its model reports of each try."""
        return {tenant: self._confessed(tenant) for tenant in self.models}

    def _confessed(self, tenant: str) -> dict[str, str]:
        log = Management(self.target, tenant).call("GET", f"/api/models/{self.model(tenant)}/logs?lines=1000")
        return hostile.reported("\n".join(log["logs"]))

    # Who asks

    def _bearer(self, actor: str) -> str:
        return self._account(actor) if actor in self.namespaces else super()._bearer(actor)

    def _account(self, tenant: str) -> str:
        """A token of an account that is its namespace's administrator."""
        if tenant not in self._accounts:
            kube, namespace = self.target.kube, self.namespaces[tenant]
            self.finally_(lambda: intruder.remove(kube, namespace))
            self._accounts[tenant] = intruder.token(kube, namespace, "admin")
        return self._accounts[tenant]

    def visit(self, tenant: str) -> Visit:
        """Signed in to the web interface with a token."""
        if tenant not in self._visits:
            self._visits[tenant] = _signed_in(self._web, self.token(tenant))
        return self._visits[tenant]

    @cached_property
    def _web(self) -> tuple[str, str]:
        """The web interface's URL, and the host it is asked under."""
        own = self.target.endpoints.get("management", "")
        return (own, urlsplit(own).netloc) if own else (self.target.gateway_url, HOST)

    @property
    def web_host(self) -> str:
        return self._web[1]

    def filled_for(self, text: str, owner: str) -> str:
        """`<owner>`, `<victim>`, … → those of that tenant; what an attempt of another names."""
        model = self.models[owner]
        meant = {
            "owner": self.namespaces[owner],
            "victim": self.model(owner),
            "key-id": str(model.details["keys"][0]["keyId"]),
            "artifact": self.artifacts[owner],
            "pod": self.pods[owner],
        }
        return re.sub(r"<([a-z-]+)>", lambda found: meant.get(found[1], found[0]), text)

    @cached_property
    def artifacts(self) -> dict[str, str]:
        """tenant → the address of its model's file in the registry, which opens it to whoever knows it."""
        found = {}
        for tenant in self.models:
            isvc = self.target.kube.get(*_STORED, self.model(tenant), self.namespaces[tenant]) or {}
            found[tenant] = str(isvc["spec"]["predictor"]["model"]["storageUri"])
        return found

    @cached_property
    def pods(self) -> dict[str, str]:
        """tenant → a Pod of its model: not one that an earlier stage left, and that is on its way out."""
        served = {tenant: Served(self.target, self.model(tenant), self.namespaces[tenant]) for tenant in self.models}
        return {tenant: str(one.pods[0]["metadata"]["name"]) for tenant, one in served.items()}

    def identity(self, tenant: str) -> str:
        """By which its workloads are known in the mesh."""
        return f"spiffe://cluster.local/ns/{self.namespaces[tenant]}/sa/default"

    def once(self, what: tuple[str, ...], attempt: Callable[[Estate], Outcome]) -> Outcome:
        """What costs a Pod, and is the same whoever's it is tried on."""
        if what not in self._done:
            self._done[what] = attempt(self)
        return self._done[what]

    def _where(self, door: str) -> Place:
        """`sidecar of TENANT` too: the door of its model's Pod."""
        tenant = door.removeprefix(f"{SIDECAR} of ")
        if tenant == door:
            return super()._where(door)
        return self.namespaces[tenant], f"serving.kserve.io/inferenceservice={self.model(tenant)}", _PORT, _CERTIFIED


def _flowers() -> bytes:
    return pickle.dumps(iris.train(DecisionTreeClassifier(random_state=iris.SEED))[0])


def _signed_in(web: tuple[str, str], token: str) -> Visit:
    url, host = web
    session = requests.Session()
    session.trust_env = False
    session.headers.update({"Host": host, "Origin": f"http://{host}"})
    form = _csrf(session.get(f"{url}/ui/sign-in", timeout=10))
    session.post(f"{url}/ui/sign-in/token", data={"csrf": form, "token": token}, timeout=10, allow_redirects=False)
    page = session.get(f"{url}/ui/models/new", timeout=10)
    return Visit(session.cookies["session"], _csrf(page))


def _csrf(page: requests.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    if not found:
        raise NotReady(f"The web interface answered {page.status_code}, without a form.", "look at: iiab status")
    return found[1]
