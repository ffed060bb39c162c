"""Objects of Istio → what its validation refuses, and what Envoy would refuse beyond that.

`virtual_service.problems` and `destination_rule.problems` are the admission webhook's; `unserved` of either names what a real
Istio lets in and its proxies then refuse, to everybody's harm. `words` checks the parts both are made of.
`authorization_policy` and `request_authentication` have no such rest: what they let in, Envoy takes.
"""
