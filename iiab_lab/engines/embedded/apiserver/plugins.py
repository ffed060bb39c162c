"""The table of what single kinds do at the API beyond the verbs every resource has."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from . import own_definitions
from .authn import Tokens
from .authz import Authorizer
from .escalation import Escalation
from .subresources import (
    Plugins,
    approval,
    autoscaling_v1,
    eviction,
    logs,
    metrics,
    portforward,
    refused,
    reviews,
    scale,
    token,
)


class Doings(NamedTuple):
    """What the machine that runs the Pods does for the API."""

    log_path: logs.LogPath
    dial: portforward.Dial
    meter: metrics.Meter


def plugins(tokens: Tokens, authorizer: Authorizer, doings: Doings, now: Callable[[], float]) -> Plugins:
    escalation = Escalation(authorizer)
    rbac = "rbac.authorization.k8s.io"
    return Plugins(
        subresources={
            **refused.handlers(),
            ("", "pods", "log"): logs.make(doings.log_path, now),
            ("", "pods", "eviction"): eviction.evict,
            ("", "serviceaccounts", "token"): token.make(tokens, now),
            ("certificates.k8s.io", "certificatesigningrequests", "approval"): approval.decide,
            ("*", "*", "scale"): scale.scale,
        },
        sockets={("", "pods", "portforward"): portforward.make(doings.dial)},
        virtual=reviews.handlers(authorizer, tokens) | metrics.handlers(doings.meter) | autoscaling_v1.handlers(),
        approvals={
            ("apiextensions.k8s.io", "customresourcedefinitions"): own_definitions.keep,
            ("certificates.k8s.io", "certificatesigningrequests"): approval.asked,
            ("cert-manager.io", "certificaterequests"): approval.asked,
            (rbac, "roles"): escalation.roles,
            (rbac, "clusterroles"): escalation.roles,
            (rbac, "rolebindings"): escalation.bindings,
            (rbac, "clusterrolebindings"): escalation.bindings,
        },
    )
