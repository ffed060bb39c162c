"""POST of a review → an answer that is never stored: may somebody, what may I, who am I, whose token is this."""

from __future__ import annotations

from starlette.responses import Response

from .....errors import ApiError
from ...objects.meta import Object
from .. import bodies, status
from ..authn import ISSUER, Tokens, User
from ..authz import Authorizer
from ..info import Info
from ..resources import Call
from . import Handler, VirtualKind

_AUTHZ, _AUTHN = "authorization.k8s.io", "authentication.k8s.io"
_KINDS = {
    _AUTHZ: ("SelfSubjectAccessReview", "SubjectAccessReview", "LocalSubjectAccessReview", "SelfSubjectRulesReview"),
    _AUTHN: ("SelfSubjectReview", "TokenReview"),
}


def handlers(authorizer: Authorizer, tokens: Tokens) -> dict[VirtualKind, Handler]:
    async def self_access(call: Call) -> Response:
        spec = await bodies.spec(call.request)
        return _answer(call, spec, _allowed(authorizer, call.user, spec))

    async def access(call: Call) -> Response:
        spec = await bodies.spec(call.request)
        if not spec.get("user") and not spec.get("groups"):
            raise status.invalid("spec.user", "Required value: at least one of user or group must be specified")
        local = call.info.namespace
        if local and (spec.get("resourceAttributes") or {}).get("namespace", local) != local:
            raise status.invalid("spec.resourceAttributes.namespace", f"Invalid value: must be {local}")
        user = User(str(spec.get("user", "")), frozenset(map(str, spec.get("groups") or ())))
        return _answer(call, spec, _allowed(authorizer, user, spec))

    async def self_rules(call: Call) -> Response:
        spec = await bodies.spec(call.request)
        if not spec.get("namespace"):
            raise ApiError(400, "BadRequest", "no namespace on request", 'name one: {"spec": {"namespace": …}}')
        return _answer(call, spec, _rules(authorizer.rules(call.user, str(spec["namespace"]))))

    async def self_subject(call: Call) -> Response:
        await bodies.spec(call.request)
        return _answer(call, None, {"userInfo": call.user.info()})

    async def token(call: Call) -> Response:
        spec = await bodies.spec(call.request)
        return _answer(call, spec, _verified(tokens, spec))

    made = (self_access, access, access, self_rules, self_subject, token)
    return dict(zip(_virtual(), made, strict=True))


def _virtual() -> list[VirtualKind]:
    return [
        VirtualKind(group, "v1", kind, f"{kind.lower()}s", kind.startswith("Local"))
        for group, kinds in _KINDS.items()
        for kind in kinds
    ]


def _answer(call: Call, spec: Object | None, found: Object) -> Response:
    kind = next(kind for kind in _KINDS[call.info.group] if f"{kind.lower()}s" == call.info.resource)
    body: Object = {"kind": kind, "apiVersion": f"{call.info.group}/{call.info.version}", "metadata": {}}
    return status.json(body | ({} if spec is None else {"spec": spec}) | {"status": found}, 201)


def _allowed(authorizer: Authorizer, user: User, spec: Object) -> Object:
    """ "*" asks for every verb, group or resource, which a rule allows only by "*" too."""
    asked, path = spec.get("resourceAttributes") or {}, spec.get("nonResourceAttributes") or {}
    if not isinstance(asked, dict) or not isinstance(path, dict) or bool(asked) == bool(path):
        needs = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise status.invalid("spec.resourceAttributes", f"Invalid value: {needs}")
    if path:
        info = Info(str(path.get("verb", "")), str(path.get("path", "")))
    else:
        names = ("group", "version", "namespace", "resource", "name", "subresource")
        info = Info(str(asked.get("verb", "")), "", *(str(asked.get(name, "")) for name in names))
    reason = authorizer.reason(user, info)
    return {"allowed": reason is not None, "reason": reason or ""} if reason is not None else {"allowed": False}


def _rules(found: list[Object]) -> Object:
    names = ("verbs", "apiGroups", "resources", "resourceNames")
    resource = [{name: rule[name] for name in names if rule.get(name)} for rule in found if rule.get("resources")]
    other = [
        {name: rule[name] for name in ("verbs", "nonResourceURLs")} for rule in found if rule.get("nonResourceURLs")
    ]
    return {"resourceRules": resource, "nonResourceRules": other, "incomplete": False}


def _verified(tokens: Tokens, spec: Object) -> Object:
    audiences = tuple(map(str, spec.get("audiences") or (ISSUER,)))
    try:
        user, common = tokens.review(str(spec.get("token", "")), audiences)
    except ApiError as error:
        return {"authenticated": False, "user": {}, "error": error.message}
    return {"authenticated": True, "user": user.info(), "audiences": common}
