"""The mode and the autoscaler that an InferenceService names → or 403, as KServe's validating webhook refuses."""

from __future__ import annotations

from .....errors import ApiError
from ...objects.meta import Object, annotations_of
from ...objects.names import AUTOSCALER_CLASS, DEPLOYMENT_MODE
from ...rules.kserve import KNATIVE, MODES, STANDARD
from . import Admit

_CLASSES = ("hpa", "none")
# Where KServe fetches from, but for a local path and file://.
_STORAGES = ("gs://", "s3://", "pvc://", "https://", "http://", "hdfs://", "webhdfs://", "oci://", "hf://")
_METRICS = {KNATIVE: ("concurrency", "rps"), STANDARD: ("cpu", "memory")}


def check(admit: Admit) -> Object | None:
    isvc = admit.object
    if isvc is None or admit.subresource:
        return isvc
    given = annotations_of(isvc)
    said = given.get(DEPLOYMENT_MODE, KNATIVE)
    if said not in MODES:
        raise _refused(f"[{said}] is not a supported deployment mode", f"choose of: {', '.join(MODES)}")
    recorded = ((admit.old or {}).get("status") or {}).get("deploymentMode", MODES[said])
    if DEPLOYMENT_MODE in given and MODES[said] != recorded:
        why = f"update rejected: deploymentMode cannot be changed from '{recorded}' to '{said}'"
        raise _refused(why, "delete the InferenceService and create it anew")
    scaler = given.get(AUTOSCALER_CLASS, "hpa")
    if scaler not in _CLASSES:
        raise _refused(f"[{scaler}] is not a supported autoscaler class type", f"choose of: {', '.join(_CLASSES)}")
    _check_metric(isvc["spec"]["predictor"], recorded)
    _check_storage(str((isvc["spec"]["predictor"].get("model") or {}).get("storageUri") or ""))
    return isvc


def _check_storage(uri: str) -> None:
    """KServe lets paths be, which are of the initializer's container: here that is the machine. Nor does one lead out of a claim."""
    scheme, found, path = uri.partition("://")
    if uri and (not found or scheme == "file" or ".." in path.split("/")):
        why = f"storageUri, must be one of: [{', '.join(_STORAGES)}]. StorageUri [{uri}] is not supported"
        raise _refused(why, "upload the model, or name a claim and a path in it: pvc://CLAIM/PATH")


def _check_metric(predictor: Object, mode: str) -> None:
    metric, allowed = predictor.get("scaleMetric"), _METRICS[mode]
    if metric is not None and metric not in allowed:
        raise _refused(f"[{metric}] is not a supported metric", f"in {mode} mode: {' or '.join(allowed)}")
    target = predictor.get("scaleTarget")
    if mode == STANDARD and target is not None and not 1 <= target <= 100:
        why = "the target utilization percentage should be a [1-100] integer"
        raise _refused(why, "mend spec.predictor.scaleTarget")


def _refused(why: str, cure: str) -> ApiError:
    webhook = "inferenceservice.kserve-webhook-server.validator"
    return ApiError(403, "Forbidden", f'admission webhook "{webhook}" denied the request: {why}', cure)
