"""The table of what single kinds do at the API beyond the verbs every resource has."""

from __future__ import annotations

from collections.abc import Callable

from .authn import Tokens
from .authz import Authorizer
from .subresources import Plugins, access_review, logs, scale, token


def plugins(tokens: Tokens, authorizer: Authorizer, log_path: logs.LogPath, now: Callable[[], float]) -> Plugins:
    return Plugins(
        subresources={
            ("", "pods", "log"): logs.make(log_path),
            ("", "serviceaccounts", "token"): token.make(tokens, now),
            ("*", "*", "scale"): scale.scale,
        },
        virtual={
            ("authorization.k8s.io", "selfsubjectaccessreviews"): access_review.review(authorizer),
            ("authorization.k8s.io", "selfsubjectrulesreviews"): access_review.rules(authorizer),
        },
    )
