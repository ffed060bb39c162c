"""The Pods of a predictor → status.modelStatus: is the model loading, loaded, or why it failed. KServe's vocabulary."""

from __future__ import annotations

from ..objects.conditions import is_true
from ..objects.meta import Object
from ..objects.pods import HOPELESS


def failed(transition: str, failure: Object, isvc: Object) -> Object:
    return {
        "transitionStatus": transition,
        "states": {"activeModelState": _active(isvc), "targetModelState": "FailedToLoad"},
        "lastFailureInfo": failure,
    }


def observed(isvc: Object, settled: bool, pods: list[Object]) -> Object:
    """`pods` are those of the newest version, `settled` says whether that version has been ready."""
    loaded = sum(is_true(pod, "Ready") for pod in pods)
    copies = {"copies": {"totalCopies": loaded, "failedCopies": 0}}
    if settled and (loaded or not pods):
        states = {
            "activeModelState": "Loaded" if loaded else "Standby",
            "targetModelState": "Loaded" if loaded else "Standby",
        }
        return {"transitionStatus": "UpToDate", "states": states, **copies}
    if failure := _failure(pods):
        return failed("BlockedByFailedLoad", failure, isvc) | {"copies": {"totalCopies": loaded, "failedCopies": 1}}
    running = any(
        "running" in item["state"] for pod in pods for item in (pod.get("status") or {}).get("containerStatuses") or ()
    )
    target = "Loading" if running else "Pending"
    return {
        "transitionStatus": "InProgress",
        "states": {"activeModelState": _active(isvc), "targetModelState": target},
        **copies,
    }


def _active(isvc: Object) -> str:
    before = ((isvc.get("status") or {}).get("modelStatus") or {}).get("states") or {}
    return "Loaded" if before.get("activeModelState") == "Loaded" else ""


def _failure(pods: list[Object]) -> Object | None:
    """The last words of the first container that cannot go on."""
    for pod in pods:
        status = pod.get("status") or {}
        for item in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            waiting = item["state"].get("waiting") or {}
            ended = item["state"].get("terminated") or (item.get("lastState") or {}).get("terminated") or {}
            if waiting.get("reason") in HOPELESS or ended.get("exitCode"):
                made = {
                    "reason": "ModelLoadFailed",
                    "location": pod["metadata"]["name"],
                    "message": ended.get("message") or waiting.get("message", ""),
                    "modelRevisionName": pod["metadata"]["labels"].get("serving.knative.dev/revision", ""),
                }
                return made | ({"exitCode": ended["exitCode"]} if ended.get("exitCode") else {})
    return None
