"""cluster.yaml and serve_config.yaml: Ray's own validators, and the start commands as a node runs them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from ray._common.utils import import_attr
from ray.autoscaler._private.util import prepare_config, validate_config, with_head_node_ip
from ray.serve.schema import ServeDeploySchema

from ops.ray_settings import CLUSTER_ENV
from storage.settings import Settings, variable

ROOT = Path(__file__).resolve().parents[2]
STARTS = ("head_start_ray_commands", "worker_start_ray_commands")

# Stands in for `ray` and `pkill` on a node: writes down how it was called, and with which environment.
FAKE = """#!/usr/bin/env python3
import json, os, sys
with open(os.path.expanduser("~/calls.jsonl"), "a") as file:
    name = os.path.basename(sys.argv[0])
    print(json.dumps([[name, *sys.argv[1:]], dict(os.environ)]), file=file)
"""


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    given = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    prepared: dict[str, Any] = prepare_config(given)  # Ray's defaults for what is not said
    return prepared


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node's home folder, as the file mounts and the setup commands leave it."""
    (tmp_path / "venv/bin").mkdir(parents=True)
    for name in ("ray", "pkill"):
        fake = tmp_path / "venv/bin" / name
        fake.write_text(FAKE)
        fake.chmod(0o755)
    (tmp_path / "rookery.env").write_text(documented_environment())
    return tmp_path


def documented_environment() -> str:
    """The `rookery.env` that docs/deploy.md tells people to write."""
    text = (ROOT / "docs/deploy.md").read_text()
    return text.split("```sh title=rookery.env\n", 1)[1].split("```", 1)[0]


def calls_on(node: Path, commands: list[str]) -> list[tuple[list[str], dict[str, str]]]:
    for command in with_head_node_ip(commands, "192.0.2.7"):  # type: ignore[no-untyped-call]
        subprocess.run(
            ["bash", "-c", command],
            check=True,
            env={"HOME": str(node), "PATH": f"{node}/venv/bin:/usr/local/bin:/usr/bin:/bin"},
            capture_output=True,
        )
    return [tuple(json.loads(line)) for line in (node / "calls.jsonl").read_text().splitlines()]


def test_ray_accepts_the_cluster(cluster: dict[str, Any]) -> None:
    validate_config(cluster)
    assert cluster["available_node_types"]["worker"]["max_workers"] == cluster["max_workers"]


def test_ray_refuses_a_cluster_with_a_mistake(cluster: dict[str, Any]) -> None:
    """That the validator looks at all."""
    with pytest.raises(Exception, match="setup_comands"):
        validate_config(cluster | {"setup_comands": []})


@pytest.mark.parametrize("start", STARTS)
def test_every_node_starts_ray_with_the_whole_environment(
    cluster: dict[str, Any], node: Path, start: str
) -> None:
    (stopped, _), (ended, _), (started, environment) = calls_on(node, cluster[start])
    assert (stopped, ended) == (["ray", "stop"], ["pkill", "-x", "haproxy"])
    assert started[:2] == ["ray", "start"]
    here = CLUSTER_ENV | {"RAY_SERVE_HAPROXY_BINARY_PATH": f"{node}/venv/bin/rookery-haproxy"}
    for name, value in here.items():
        assert environment.get(name) == value, name
    for name in ("MONGODB_URL", "REDIS_URL", "ROOKERY_KEYS", "ROOKERY_PUBLIC_URL", "ROOKERY_HOSTS"):
        assert environment.get(name), name


def test_the_workers_join_the_head_and_the_head_keeps_its_dashboard_to_itself(
    cluster: dict[str, Any], node: Path
) -> None:
    head, worker = (calls_on(node, cluster[start])[-1][0] for start in STARTS)
    assert {"--head", "--port=6379", "--dashboard-host=127.0.0.1"} <= set(head)
    assert "--address=192.0.2.7:6379" in worker


def test_what_the_guide_says_to_set_are_settings_and_valid(
    cluster: dict[str, Any], node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = calls_on(node, cluster[STARTS[0]])[-1][1]
    known = {variable(field) for field in Settings.model_fields}
    named = {name for name in environment if name.startswith("ROOKERY_") or name in known}
    assert named <= known
    for name in named:
        monkeypatch.setenv(name, environment[name])
    settings = Settings.load()
    assert settings.keys == str(node / "rookery-keys.json")
    mounts = cluster["file_mounts"]
    assert {"~/rookery.env", "~/rookery-keys.json", "~/.ray/auth_token", "~/dist"} <= mounts.keys()


def test_no_secret_is_in_the_file_that_ray_copies_and_shows() -> None:
    text = (ROOT / "cluster.yaml").read_text()
    assert "mongodb://" not in text and "redis://" not in text
    assert not any(part in text for part in ("MONGODB_URL=", "REDIS_URL=", "ROOKERY_KEYS="))


def test_the_serve_config_is_one_for_both_applications() -> None:
    config = ServeDeploySchema.model_validate(yaml.safe_load((ROOT / "serve_config.yaml").read_text()))
    routes = {app.name: (app.route_prefix, app.import_path) for app in config.applications}
    assert routes == {"webhooks": ("/webhooks", "serve_app:webhooks"), "api": ("/", "serve_app:api")}
    assert config.logging_config is not None and not config.logging_config.enable_access_log
    for app in config.applications:
        built = import_attr(app.import_path)._bound_deployment
        (deployment,) = app.deployments
        assert deployment.name == built.name
        assert isinstance(deployment.num_replicas, int) and deployment.num_replicas >= 2
