"""Uploaded bytes → a version of a model that KServe can fetch: `http://management-service…/registry/…`.

Where the bytes lie: on the management service's own volume, a folder per tenant. A service cannot mount a volume of another
namespace, on any cluster, and the alternatives cost more than they give: a Job in the tenant's namespace needs the right to
start Pods there and fetches over HTTP all the same, a registry per tenant is three more Pods. KServe's storage initializer
takes `http://HOST/…/model.joblib` and `….tar` as they are, so nothing of this is the embedded engine's own.

Who may fetch: whoever knows the address. It holds a code (HMAC-SHA256, with a key that stays on the volume) over the
tenant's namespace, the digest and the file's name. An initializer has no identity of the mesh yet, since it runs before its
sidecar; and the address stands in objects of the tenant's namespace alone, where its owner may read it. Knowing a digest
opens nothing, and the management service takes no other tenant's address for a model.

What is never done here: to load a model. `inspect` reads of a pickle the name of its first class.
"""
