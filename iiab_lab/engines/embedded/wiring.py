"""Which controllers run, and what each is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psutil

from .controllers.ca_bundle import CaBundleController
from .controllers.certificate import CertificateController
from .controllers.certificate_request import CertificateRequestController
from .controllers.certificate_signing_request import CertificateSigningRequestController
from .controllers.cluster_role import ClusterRoleController
from .controllers.configuration import ConfigurationController
from .controllers.custom_resource_definition import CustomResourceDefinitionController
from .controllers.deployment import DeploymentController
from .controllers.endpoint_slice import EndpointSliceController
from .controllers.garbage_collector import GarbageCollector
from .controllers.gateway import GatewayController
from .controllers.gateway_class import GatewayClassController
from .controllers.horizontal_pod_autoscaler import HorizontalPodAutoscalerController
from .controllers.inference_service import InferenceServiceController
from .controllers.ingress_gateway import IngressGatewayController
from .controllers.issuer import IssuerController
from .controllers.job import JobController
from .controllers.knative_route import RouteController
from .controllers.knative_service import KnativeServiceController
from .controllers.monitors import MonitorsController
from .controllers.namespace import NamespaceController
from .controllers.node import NodeController
from .controllers.pod import AccountFiles, PodController
from .controllers.pod_autoscaler import PodAutoscalerController
from .controllers.pod_autoscaler_hpa import HpaClassController
from .controllers.rate_limit import RateLimitController
from .controllers.replica_set import ReplicaSetController
from .controllers.resource_quota import ResourceQuotaController
from .controllers.revision import RevisionController
from .controllers.revision_collector import RevisionCollector
from .controllers.revision_labels import RevisionLabelsController
from .controllers.scheduler import Scheduler
from .controllers.serverless_service import ServerlessServiceController
from .controllers.sidecar import SidecarController
from .controllers.volume_claim import VolumeClaimController
from .credentials import Credentials
from .reconcile.events import Recorder
from .reconcile.ports import Client, Clock, Controller, Journal, Load, Processes, Proxy


def controllers(
    client: Client,
    processes: Processes,
    proxies: Proxy,
    load: Load,
    journal: Journal,
    clock: Clock,
    account_files: AccountFiles,
    credentials: Credentials,
    ports: Mapping[str, int],
) -> list[Controller]:
    def record(component: str) -> Recorder:
        return Recorder(client, clock, component)

    return [
        NamespaceController(client, clock, processes, credentials.ca_pem),
        NodeController(client, clock, psutil.virtual_memory().total),
        Scheduler(client, clock, record("default-scheduler")),
        ClusterRoleController(client),
        GarbageCollector(client),
        ResourceQuotaController(client),
        CustomResourceDefinitionController(client, clock),
        CertificateSigningRequestController(client, clock, credentials.sign_client),
        PodController(client, processes, clock, record("kubelet"), account_files),
        ReplicaSetController(client, clock, record("replicaset-controller")),
        DeploymentController(client, clock),
        HorizontalPodAutoscalerController(client, processes, clock, record("horizontal-pod-autoscaler")),
        JobController(client, clock, record("job-controller")),
        EndpointSliceController(client),
        VolumeClaimController(client),
        InferenceServiceController(client, clock, record("v1beta1Controllers")),
        KnativeServiceController(client, clock),
        ConfigurationController(client, clock),
        RevisionController(client, clock),
        RouteController(client, clock),
        RevisionLabelsController(client, clock),
        RevisionCollector(client, clock),
        PodAutoscalerController(client, load, clock, journal),
        HpaClassController(client, clock),
        ServerlessServiceController(client),
        *_certificates(client, clock, record),
        GatewayClassController(client, clock),
        GatewayController(client, proxies, clock),
        RateLimitController(client),
        SidecarController(client, proxies, clock, record("istiod")),
        IngressGatewayController(client, proxies, clock, record("istiod")),
        MonitorsController(client, f"127.0.0.1:{ports['kubernetes']}"),
    ]


def _certificates(client: Client, clock: Clock, record: Callable[[str], Recorder]) -> list[Controller]:
    return [
        IssuerController(client, clock),
        CertificateController(client, clock, record("cert-manager-certificates")),
        CertificateRequestController(client, clock, record("cert-manager-certificaterequests")),
        CaBundleController(client),
    ]
