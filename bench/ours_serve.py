"""Our webhook application as it is deployed: Ray Serve behind HAProxy in throughput mode, nothing else of the
service beside it (the comparison has no hosts either). Settings come from the environment; ends on SIGTERM.
"""

import os
import signal
import tempfile
import threading

from bench.processes import keep_orphans
from ops.ports import free_port
from ops.ray_settings import RAY_ENV
from storage.settings import Settings


def main() -> None:
    keep_orphans()
    settings = Settings.load()
    # A short path: Unix sockets allow 107 characters.
    with tempfile.TemporaryDirectory(prefix="rookery-") as scratch:
        os.environ |= RAY_ENV | {
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{scratch}/haproxy.cfg",
            "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{scratch}/admin.sock",
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": scratch,
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{scratch}/server-state",
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        }
        import ray  # reads the environment when it is imported
        from ray import serve

        import serve_app

        quiet = {"enable_access_log": False}
        ray.init(
            address="local",
            namespace="rookery",
            include_dashboard=False,
            object_store_memory=100 * 1024 * 1024,
            log_to_driver=False,
        )
        ended = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())  # now, because Ray puts its own handler there
        try:
            serve.start(
                http_options={"host": settings.http_host, "port": settings.http_port}, logging_config=quiet
            )
            serve.run(serve_app.webhooks, name="webhooks", route_prefix="/webhooks", logging_config=quiet)
            ended.wait()
        finally:
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


if __name__ == "__main__":
    main()
