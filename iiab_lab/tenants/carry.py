"""A tenant ⇄ one file of manifests: to put it back where it was, or to make it again elsewhere, under another name too.

What controllers make, and what the platform gives every tenant anew (accounts' CAs, its client, its keys), is not among it; nor are
publications, whose doors and keys are the management service's, and what lies on volumes: `Carried` says what there was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ..errors import UsageError
from ..kube import Kube, Object, documents
from ..target import Target
from .lives import install, require_tenant
from .template import LABEL, QUOTA, Sizes
from .transaction import bare

# Of every namespace or of every tenant: made anew where it comes to.
_GIVEN = {
    ("ServiceAccount", "default"),
    ("ConfigMap", "kube-root-ca.crt"),
    ("ConfigMap", "istio-ca-root-cert"),
    ("ConfigMap", "identity-jwks"),
    ("Secret", "identity-client"),
}
# What nobody writes by hand.
_MADE = ("Event", "Pod", "EndpointSlice", "Lease", "ControllerRevision")
_PUBLISHED = {"app": "published-model"}
# What the API server adds to a Job: another's must not be said again.
_OF_A_JOB = re.compile(r"(batch\.kubernetes\.io/)?(controller-uid|job-name)")


class Carried(NamedTuple):
    """`objects` are in the file; `secrets`, `published` and `volumes` name what there was and is not in it."""

    tenant: str
    objects: int
    secrets: list[str]
    published: list[str]
    volumes: list[str]


def export_tenant(target: Target, name: str, file: str | Path, secrets: bool = False) -> Carried:
    """Writes a new FILE, 0600 where it holds Secrets. Raises UsageError for a tenant there is not, or a file there is."""
    path = Path(file)
    require_tenant(target, name)
    if path.exists():
        raise UsageError(f"{path} exists already.", "choose another name, or remove it")
    kept: list[Object] = []
    left = Carried(name, 0, [], [], [])
    for obj in _contents(target, name):
        kind, own = obj["kind"], obj["metadata"]["name"]
        if _PUBLISHED.items() <= (obj["metadata"].get("labels") or {}).items():
            left.published.extend([obj["metadata"]["labels"]["model"]] if kind == "ConfigMap" else [])
            continue
        left.volumes.extend([own] if kind == "PersistentVolumeClaim" else [])
        if kind == "Secret" and not secrets:
            left.secrets.append(own)
        else:
            kept.append(_plain(obj))
    made = left._replace(objects=len(kept) + 1)
    _write(path, [_namespace(target, name), *kept], made, private=secrets)
    return made


def import_tenant(target: Target, file: str | Path, name: str = "", timeout: float = 60) -> str:
    """A tenant from a file that `export_tenant` wrote, all or nothing → its name; `name` in place of the one that it has there.

    Namespace, walls elsewhere and keys come from the template, whatever the file says of them. Raises UsageError for a file of
    another kind, or with objects of other namespaces; ApiError for what the API server would not take.
    """
    first, *objects = [obj for _, obj in documents(Path(file))] or [{}]
    old = (first.get("metadata") or {}).get("name", "") if first.get("kind") == "Namespace" else ""
    if not old or (first["metadata"].get("labels") or {}).get(LABEL) != old:
        raise UsageError(f"{file} is no tenant.", "name a file that `iiab tenant export` wrote")
    for obj in objects:
        if obj["metadata"].get("namespace") != old:
            named = f"{obj['kind']} {obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
            raise UsageError(f"{file} holds an object of somebody else: {named}.", f"leave in it what is of {old}")
    wanted = name or old
    renamed = [_renamed(obj, old, wanted) for obj in objects]
    quota = next((o for o in renamed if (o["kind"], o["metadata"]["name"]) == ("ResourceQuota", QUOTA)), None)
    install(target, wanted, asdict(Sizes.of(quota)), renamed, timeout)
    return wanted


def _contents(target: Target, namespace: str) -> Iterator[Object]:
    """What somebody wrote: not what a controller made, nor what every tenant gets."""
    for version, kind in _kinds(target.kube):
        for obj in target.kube.list(version, kind, namespace):
            meta = obj["metadata"]
            if not meta.get("ownerReferences") and (kind, meta["name"]) not in _GIVEN:
                yield {"apiVersion": version, "kind": kind, **obj}


def _kinds(kube: Kube) -> Iterator[tuple[str, str]]:
    """(apiVersion, kind) of everything that is in namespaces and can be applied, each kind once, in its group's preferred version."""
    groups = kube.raw("GET", "/apis").json()["groups"]
    known = [["v1"], *([group["preferredVersion"]["groupVersion"], *_all(group)] for group in groups)]
    for versions in known:
        seen = {*_MADE}
        for version in versions:
            entries = kube.discover(version)
            kinds = {
                e["kind"]
                for e in entries
                if e["namespaced"] and {"list", "patch"} <= {*e["verbs"]} and "/" not in e["name"]
            }
            yield from ((version, kind) for kind in sorted(kinds - seen))
            seen |= kinds


def _all(group: Object) -> list[str]:
    return [str(one["groupVersion"]) for one in group["versions"]]


def _namespace(target: Target, name: str) -> Object:
    found = target.kube.get("v1", "Namespace", name) or {}
    labels = (found.get("metadata") or {}).get("labels") or {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _plain(obj: Object) -> Object:
    """As it was written: without what the server and its controllers add."""
    made = bare(obj)
    meta: Object = made["metadata"]
    spec: Any = made.get("spec")
    meta.pop("finalizers", None)
    notes = {
        k: v
        for k, v in (meta.get("annotations") or {}).items()
        if "last-applied" not in k and k != "pv.kubernetes.io/bind-completed"
    }
    meta.pop("annotations", None)
    meta |= {"annotations": notes} if notes else {}
    if obj["kind"] == "Service" and spec.get("clusterIP") != "None":
        made["spec"] = {name: value for name, value in spec.items() if name not in ("clusterIP", "clusterIPs")}
    if obj["kind"] == "PersistentVolumeClaim":
        made["spec"] = {name: value for name, value in spec.items() if name != "volumeName"}
    if obj["kind"] == "Job":
        spec.pop("selector", None)
        for held in (meta, spec["template"].get("metadata") or {}):
            labels = {k: v for k, v in (held.get("labels") or {}).items() if not _OF_A_JOB.fullmatch(k)}
            held.pop("labels", None)
            held |= {"labels": labels} if labels else {}
    return made


def _renamed(value: Any, old: str, new: str) -> Any:
    """Wherever a text names the tenant as a word: in namespaces, hosts, issuers, claims."""
    if isinstance(value, dict):
        return {key: _renamed(child, old, new) for key, child in value.items()}
    if isinstance(value, list):
        return [_renamed(child, old, new) for child in value]
    return (
        re.sub(rf"(?<![A-Za-z0-9-]){re.escape(old)}(?![A-Za-z0-9-])", new, value) if isinstance(value, str) else value
    )


def _write(path: Path, objects: list[Object], made: Carried, private: bool) -> None:
    notes = [
        f"# Tenant {made.tenant}, as manifests. Put it back: iiab tenant import {path.name}; elsewhere under another name: --as NAME",
        *(f"# Not in it: {what}." for what in _left_out(made)),
    ]
    text = "\n".join(notes) + "\n" + yaml.safe_dump_all(objects, sort_keys=False, width=120, allow_unicode=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
    with os.fdopen(descriptor, "w") as target:
        target.write(text)


def _left_out(made: Carried) -> list[str]:
    told = (
        ("Secrets (--secrets)", made.secrets),
        ("publications, with keys of their own (iiab publish)", made.published),
        ("what lies on the volumes (a Job that fills one runs again; iiab backup has them all)", made.volumes),
    )
    return [f"{what}: {', '.join(sorted(names))}" for what, names in told if names]
