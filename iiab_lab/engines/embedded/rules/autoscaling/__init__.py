"""Knative's autoscaling arithmetic: stats of a revision's Pods, second by second → how many Pods it should have, and why.

`config` and `annotations` → `settings`; stats → `metrics` (over `windows`) → `decider`, both at work in `autoscaler` →
`scaler`, the replicas and the `status`. `replay` plays what was recorded, `simulation` predicts what would be. Every
function takes the time as an argument, in seconds. Source: knative/serving 1.23, pkg/autoscaler and pkg/reconciler.
"""
