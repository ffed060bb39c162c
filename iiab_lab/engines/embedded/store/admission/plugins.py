"""The table of what happens to writes of single kinds, in order; then what happens to all."""

from __future__ import annotations

from ...objects.kinds import (
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    CONFIGURATION,
    CRD,
    CSR,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    HORIZONTAL_POD_AUTOSCALER,
    INFERENCE_SERVICE,
    JOB,
    KNATIVE_SERVICE,
    LIMIT_RANGE,
    NAMESPACE,
    POD,
    REPLICA_SET,
    RESOURCE_QUOTA,
    REVISION,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    VOLUME_CLAIM,
    Kind,
)
from . import (
    Plugin,
    amounts,
    autoscaler,
    defaults,
    definitions,
    host_path,
    immutable,
    inference_service,
    knative,
    lifecycle,
    limit_range,
    quota,
    sidecar,
    storage_initializer,
    templates,
)

_ROLE_REF = immutable.fields("roleRef", message="cannot change roleRef")

PLUGINS: dict[Kind, tuple[Plugin, ...]] = {
    NAMESPACE: (lifecycle.immortal, lifecycle.terminating, defaults.namespace, defaults.status(phase="Active")),
    POD: (
        defaults.pod,
        defaults.status(phase="Pending"),
        limit_range.fill,
        storage_initializer.add,
        host_path.check,
        sidecar.inject,
        immutable.pod,
        amounts.pod,
        limit_range.enforce,
    ),
    SECRET: (defaults.secret, immutable.fields("type"), immutable.sealed("data")),
    CONFIG_MAP: (immutable.sealed("data", "binaryData"), knative.config),
    SERVICE: (
        defaults.status(loadBalancer={}),
        defaults.service,
        immutable.fields("spec.clusterIP", message="may not change once set", removable=True),
    ),
    LIMIT_RANGE: (amounts.limit_range, limit_range.complete),
    RESOURCE_QUOTA: (defaults.status(), amounts.quota),
    VOLUME_CLAIM: (
        defaults.status(phase="Pending"),
        limit_range.enforce,
        immutable.claim,
    ),
    DEPLOYMENT: (defaults.status(), templates.goes_on, immutable.fields("spec.selector")),
    REPLICA_SET: (defaults.status(replicas=0), templates.goes_on, immutable.fields("spec.selector")),
    JOB: (
        defaults.status(),
        templates.ends,
        immutable.fields("spec.selector", "spec.template", "spec.completions"),
    ),
    HORIZONTAL_POD_AUTOSCALER: (defaults.status(), autoscaler.check),
    INFERENCE_SERVICE: (inference_service.check, knative.inference_service),
    KNATIVE_SERVICE: (knative.template,),
    CONFIGURATION: (knative.template,),
    REVISION: (immutable.fields("spec", message="Immutable fields changed"), knative.revision),
    ENDPOINT_SLICE: (immutable.fields("addressType"),),
    ROLE_BINDING: (_ROLE_REF,),
    CLUSTER_ROLE_BINDING: (_ROLE_REF,),
    CRD: (definitions.define, immutable.fields("spec.group", "spec.scope", "spec.names.kind", "spec.names.plural")),
    CSR: (immutable.fields("spec"),),
}
# After everything else, as in Kubernetes: only what would be stored is counted.
GENERAL: tuple[Plugin, ...] = (quota.enforce,)
