"""The management service: models, publishing, keys and limits over REST; Kubernetes objects are all it writes."""
