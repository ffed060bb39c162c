"""Requests for a revision at zero → held until one of its Pods can take them. Knative's activator, as a program of its own.

Its Pod has a proxy like any other of the mesh. The proxy carries the requests; this program says when each may go on and to
which Pod, over Envoy's external processing protocol:

service:   Envoy's stream about one request → a place in the queue, a Pod, and the end of it
throttler: revisions → who waits, who runs where, within each Pod's limit
counting:  arrivals and ends → averages over a second, as the autoscaler reads them
channel:   the control plane's socket: capacities come in, statistics go out
"""
