"""Who owns which field of an object: `metadata.managedFields`, kept at every write and enforced by server-side apply.

paths:     objects ⇄ sets of field paths ⇄ FieldsV1
managers:  a write → whose paths it changes
apply:     a live object and what somebody applies → the merged object, or the conflict

Source: Kubernetes' server-side apply and the FieldsV1 format (structured merge and diff).
"""
