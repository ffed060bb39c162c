"""HorizontalPodAutoscaler autoscaling/v2: samples → proposals (`replicas`) → a paced number (`pace`) → one sync (`decision`).

The arithmetic of Kubernetes' horizontal Pod autoscaler (pkg/controller/podautoscaler), as pure functions; times are seconds.
"""
