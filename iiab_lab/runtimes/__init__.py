"""Model servers. Their numeric libraries run in one thread: what starts others at import would leave them unconfined."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
