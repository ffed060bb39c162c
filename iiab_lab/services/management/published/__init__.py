"""Publishing: a model, a hostname and a path become routes, policies, limits and keys at the edge; and go again.

config:        what a request asks for, checked
publication:   what is published, as it is remembered
objects:       a publication → the Kubernetes objects that make it so
transaction:   all of them or none
publisher:     publish, update, unpublish, keys
documentation: how a client calls it
"""
