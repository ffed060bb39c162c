"""The web interface: pages for people, at /ui, over the same services as the REST API. Every page works without JavaScript.

site:     the application that is mounted: sign-in, headers of caution, readable errors
session:  a cookie ⇄ a token in this process's memory
csrf:     who may send a form
visit:    what every page is given; how a page is made
forms:    a form as it was filled in ⇄ what a service takes, and what it refuses, beside its field
figures:  Prometheus → the figures and charts of the pages
pages_*:  the pages, a file per part
"""
