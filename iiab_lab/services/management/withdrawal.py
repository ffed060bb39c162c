"""A tenant that goes → nothing is left of what this service made for it: its doors at the edge, its models, its uploads.

Others that let it in forget it first: a policy that names the keys of a tenant there is not would let nobody in.
"""

from __future__ import annotations

from .callers import Caller
from .platform import Object
from .services import Services


def withdraw(lab: Services, admin: Caller, tenant: str) -> Object:
    """→ what it took back. Raises 404 for a tenant there is not; called again, it goes on where it was broken off."""
    namespace = lab.callers.namespace(tenant)
    published = lab.publisher.listed(admin)
    for one in published:
        allowed = one.config.authentication.allowedTenants
        if one.namespace != namespace and tenant in allowed:
            rest = [other for other in allowed if other != tenant]
            lab.publisher.update(admin, one.model, {"authentication": {"allowedTenants": rest}}, one.namespace)
    own = [one.model for one in published if one.namespace == namespace]
    for model in own:
        lab.publisher.unpublish(admin, model, namespace)
    models = [model["metadata"]["name"] for model in lab.models.listed(admin, namespace)]
    for model in models:
        lab.models.delete(admin, model, namespace)
    lab.registry.forget(namespace)
    return {"tenant": tenant, "unpublished": own, "deleted": models}
