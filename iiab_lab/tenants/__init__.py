"""Tenants → one more, one less, one elsewhere, while the others go on: everything a tenant is, from one template.

Works from a `Target` alone, so on any cluster with the platform.
"""

from .carry import Carried, export_tenant, import_tenant
from .lives import Tenant, add_tenant, remove_tenant, tenants
from .template import Sizes

__all__ = ["Carried", "Sizes", "Tenant", "add_tenant", "export_tenant", "import_tenant", "remove_tenant", "tenants"]
