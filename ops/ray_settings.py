"""How Ray and Serve are set: chosen here, with the reason, and nowhere else.

All are read once, when Ray or Serve starts, so they are in the environment of the command that starts it, on
every node. `rookery up` does that; `cluster.yaml` says the same, and a test compares the two. What was
measured is in docs/operations.md.
"""

import sys
from pathlib import Path
from typing import Final

RAY_ENV: Final = {
    # -- the way in: without these two Serve's proxy takes a tenth of the requests
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    # Decision 17: webhooks skip Serve's own work for each request, HAProxy writes no line for each, and one
    # thread of it carries more than the replicas of a node take.
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "api.serve_http:middlewares",
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    # Decision 35: clients that hang up early do not keep it busy.
    "RAY_SERVE_HAPROXY_BINARY_PATH": str(Path(sys.executable).with_name("rookery-haproxy")),
    # A HAProxy that ended is back after 9 s instead of 36: three failed checks, a second apart instead of
    # ten. One that is only slow gets 3 s each time.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "3",
    # -- a node that died: noticed after 3 s instead of 14; one that is cut off after 9 s instead of a minute.
    # Three misses of 2 s each: a machine that is busy for a moment is not one that died.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    # -- 15 otherwise: owners and replicas would stand behind everything else on their machine
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
}

CLUSTER_ENV: Final = RAY_ENV | {
    # A node that is cut off ends itself, and with it hosts that have a successor elsewhere, after about 10 s
    # instead of minutes. A raylet that has lost its GCS for so long would wait in vain: the GCS keeps nothing
    # outside of its process here, so its end is the end of everything that Ray runs. Not on a single machine:
    # there is no network to be cut, and a machine that stands still for some seconds would lose everything.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
    "RAY_grpc_client_keepalive_time_ms": "2000",
    "RAY_grpc_client_keepalive_timeout_ms": "2000",
    "RAY_AUTH_MODE": "token",  # nobody without the token runs code on the cluster
}
