"""Every decision of the control plane and the data plane → one stream of records, each chained to the one before it.

`places → follow → proxies, events → redact → record → stream`; `verify` and `requests` read what was written.
"""
