"""The mesh's and the network's policies → who may call whom: what a proxy of the mesh would answer, worked out from the policies alone.

`iiab_lab` reads the policies through the Kubernetes API, so it says the same of any cluster with Istio. Semantics: Istio
reference, "Authorization Policy", "Authorization Policy Conditions" and "PeerAuthentication".
"""

from .calls import Call, Workload
from .decision import Decision, decide
from .network import Network
from .table import Answer, who_may_call, workloads

__all__ = ["Answer", "Call", "Decision", "Network", "Workload", "decide", "who_may_call", "workloads"]
