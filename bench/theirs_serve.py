"""FastAPI on Ray Serve as its documentation shows it: an ingress deployment behind Serve's own proxy, with
every setting as it comes. The application is that of `theirs.py`. Ends on SIGTERM.
"""

import os
import signal
import threading

from bench.processes import keep_orphans


def main() -> None:
    keep_orphans()
    import ray
    from ray import serve

    from bench.theirs import app

    @serve.deployment(num_replicas=int(os.environ["BENCH_WORKERS"]), ray_actor_options={"num_cpus": 0})
    @serve.ingress(app)
    class Ingress:
        pass

    quiet = {"enable_access_log": False}
    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=100 * 1024 * 1024,
        log_to_driver=False,
    )
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())  # now, because Ray puts its own handler there
    try:
        options = {"host": "127.0.0.1", "port": int(os.environ["BENCH_PORT"])}
        serve.start(http_options=options, logging_config=quiet)
        serve.run(Ingress.bind(), route_prefix="/", logging_config=quiet)  # type: ignore[attr-defined]
        ended.wait()
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


if __name__ == "__main__":
    main()
