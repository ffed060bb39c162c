"""Labels, annotations and finalizers that more than one part of the engine reads or writes."""

from __future__ import annotations

# Of this engine: containerPort → port on 127.0.0.1, as JSON, on a Pod.
PORTS = "iiab.lab/ports"
# Of this engine: holds a Namespace until it is empty (Kubernetes keeps it in spec.finalizers).
CONTENTS = "iiab.lab/contents"
# Kubernetes': which Service an EndpointSlice is of.
SERVICE_NAME = "kubernetes.io/service-name"
# Kubernetes': holds a CustomResourceDefinition until its objects are gone.
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"

# Istio's: a Namespace whose Pods get a sidecar, the label that opts a Pod out, and the mark of a Pod that has one.
INJECTION = "istio-injection"
INJECT = "sidecar.istio.io/inject"
SIDECAR_STATUS = "sidecar.istio.io/status"
SIDECAR = "istio-proxy"

# KServe's: what the InferenceService controller leaves on a Pod template for the Pod webhook.
STORAGE_URI = "internal.serving.kserve.io/storage-initializer-sourceuri"
INFERENCE_SERVICE = "serving.kserve.io/inferenceservice"
# KServe's, on an InferenceService: what it becomes, and who scales it in Standard mode.
DEPLOYMENT_MODE = "serving.kserve.io/deploymentMode"
AUTOSCALER_CLASS = "serving.kserve.io/autoscalerClass"
# KServe's, on an InferenceService: `latest` and, of a canary, `prev` have hosts of their own.
TAG_ROUTING = "serving.kserve.io/enable-tag-routing"

# Knative's.
KN_REVISION = "serving.knative.dev/revision"
KN_CONFIGURATION = "serving.knative.dev/configuration"
KN_SERVICE = "serving.knative.dev/service"
KN_SERVICE_TYPE = "networking.internal.knative.dev/serviceType"
KN_ROUTE = "serving.knative.dev/route"
# active: a route leads to the Revision; reserve: one did; pending: none has yet. And since when, as an annotation.
KN_ROUTING_STATE = "serving.knative.dev/routingState"
KN_ROUTING_STATE_MODIFIED = "serving.knative.dev/routingStateModified"
# "true" on a Revision: kept, however long nobody asks for it.
KN_NO_GC = "serving.knative.dev/no-gc"
# Of this engine, in the status of a PodAutoscaler: what a ServerlessService's spec.mode would say, Serve or Proxy.
SKS_MODE = "iiab.lab/serverless-service-mode"

# Envoy Gateway's: which Gateway a proxy belongs to.
GATEWAY_NAME = "gateway.envoyproxy.io/owning-gateway-name"
GATEWAY_NAMESPACE = "gateway.envoyproxy.io/owning-gateway-namespace"

# Of this engine, "true" on a Namespace: its Pods are the platform's own. Everybody else's are confined.
PLATFORM = "iiab.lab/platform"
POD_SECURITY = "pod-security.kubernetes.io/enforce"
# What a Pod may see of its node: the path as on any node → below the platform's home.
NODE_PATHS = {"/var/log/pods": "logs", "/var/log/kubernetes": "logs/kubernetes"}
