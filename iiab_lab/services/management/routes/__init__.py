"""HTTP ⇄ the services, a file per part of the API; what every route shares stands in `common`."""
