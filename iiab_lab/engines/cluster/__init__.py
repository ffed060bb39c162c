"""The real platform on Kubernetes: steps as data → commands of kind, helm, kubectl and docker, run in order and undone in reverse."""
