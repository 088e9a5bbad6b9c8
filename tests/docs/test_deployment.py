"""The files in ``deploy`` agree with each other, with the service and with the project's dependencies."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deployment.container import run_options
from deployment.proxies import written
from fsrfer.cli.main import _parser
from fsrfer.serving.server import KEEP_ALIVE
from fsrfer.serving.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MIB = 2**20
SETTINGS = ServiceSettings()

OMITTED = {"opencv-python-headless"}
"""What a dependency asks for and never imports."""


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def locked() -> dict[str, tuple[str, set[str], int]]:
    """Of each locked package its version, who wants it, and how many hashes it has."""
    packages = {}
    listed = text("requirements.txt").partition("\n# The following packages were excluded")[0]
    for entry in re.split(r"^(?=[a-z0-9])", listed, flags=re.MULTILINE)[1:]:
        name, version = entry.split(" ", 1)[0].split("==")
        wanted_by = {word for line in entry.split("# via")[1].splitlines() if (word := line.strip(" #").split(" ")[0])}
        packages[name] = version, wanted_by - {"-c"}, entry.count("--hash=sha256:")
    return packages


def requirements() -> list[Requirement]:
    """What the service needs by ``pyproject.toml``, extras of extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found, extras = [*project["dependencies"]], ["serve", "video"]
    while extras:
        for line in project["optional-dependencies"][extras.pop()]:
            own = Requirement(line)
            extras += own.extras if own.name == "fsrfer" else ()
            found += [] if own.name == "fsrfer" else [line]
    return [Requirement(line) for line in found]


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(text("compose.yaml"))["services"]
    return services


def manifests() -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all(text("kubernetes.yaml"))}


def unit() -> dict[str, str]:
    pairs = [line.partition("=") for line in text("fsrfer.service").splitlines() if re.match(r"[A-Z]\w*=", line)]
    return {name: value for name, _, value in pairs}


def directive(name: str) -> str:
    (value,) = {found.strip() for found in re.findall(rf"^ *{name} +([^;]+);", text("nginx.conf"), re.MULTILINE)}
    return value


def entrypoint() -> list[str]:
    words: list[str] = json.loads(text("Dockerfile").partition("\nENTRYPOINT ")[2])
    return words


def test_every_requirement_of_the_service_is_locked_in_a_version_that_it_allows() -> None:
    packages = locked()
    missing = [
        str(one) for one in requirements() if packages.get(canonicalize_name(one.name), ("0",))[0] not in one.specifier
    ]
    assert missing == []


def test_nothing_is_locked_that_nobody_wants_and_everything_has_hashes() -> None:
    packages = locked()
    names = {canonicalize_name(one.name) for one in requirements()}
    assert {name for name, (_, wanted_by, _) in packages.items() if "fsrfer" in wanted_by} == names
    wanting = {who for _, wanted_by, _ in packages.values() for who in wanted_by}
    assert wanting <= {*packages, *OMITTED, "fsrfer"}
    assert [name for name, (_, _, hashes) in packages.items() if not hashes] == []
    assert not {"torch", *OMITTED} & set(packages)


def test_versions_that_tests_run_with_are_the_locked_ones() -> None:
    packages = locked()
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    assert {name: version for name, version in pins.items() if name in packages and packages[name][0] != version} == {}


def test_the_lock_is_for_the_image_s_python() -> None:
    (base,) = re.findall(r"^ARG BASE=python:([\d.]+)-", text("Dockerfile"), re.MULTILINE)
    assert f"--python-version {base} " in text("lock.sh")


def test_what_the_image_copies_is_sent_to_the_builder() -> None:
    sent = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", text("Dockerfile"), re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    assert copied == set(sent)
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_command_lines_are_understood() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    lines = [
        [*entrypoint()[1:], *compose()["fsrfer"]["command"]],
        [*entrypoint()[1:], *pod["args"]],
        shlex.split(unit()["ExecStart"].replace("$OPTIONS", "--allowed-host faces.example.org"))[1:],
    ]
    for line in lines:
        assert _parser(line).parse_args(line).port == SETTINGS.port


def test_all_are_the_same_user_and_the_token_is_where_the_image_looks() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    assert "\nUSER 10001:10001\n" in text("Dockerfile")
    assert compose()["fsrfer"]["user"] == "10001:10001"
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (10001, True)
    place = Path(entrypoint()[-1])
    assert compose()["fsrfer"]["secrets"] == [place.name]
    assert {"name": "token", "mountPath": str(place.parent), "readOnly": True} in pod["containers"][0]["volumeMounts"]
    assert f"--from-file={place.name}=" in text("kubernetes.yaml")


def test_all_wait_longer_than_the_service_takes_to_stop() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] - pause > SETTINGS.stop_seconds + 5
    assert int(compose()["fsrfer"]["stop_grace_period"].removesuffix("s")) > SETTINGS.stop_seconds + 5
    assert int(unit()["TimeoutStopSec"]) > SETTINGS.stop_seconds + 5


def test_proxies_take_what_the_service_takes() -> None:
    sizes = [int(size) for size in re.findall(r"client_max_body_size +(\d+)m;", text("nginx.conf"))]
    assert [size - 1 for size in sizes] == [SETTINGS.max_upload / MIB, SETTINGS.max_video / MIB]
    assert f"max_size {sizes[1]}MiB" in text("Caddyfile")
    assert int(directive("proxy_read_timeout").split("s")[0]) > SETTINGS.seconds
    assert int(directive("client_body_timeout").removesuffix("s")) == SETTINGS.upload_seconds
    assert int(directive("keepalive_timeout").split("s")[0]) < KEEP_ALIVE
    assert f"keepalive {KEEP_ALIVE - 1}s" in text("Caddyfile")
    assert (directive("proxy_request_buffering"), directive("proxy_buffering")) == ("off", "off")


def test_nobody_can_write_become_more_or_call_out() -> None:
    service, pod = compose()["fsrfer"], manifests()["Deployment"]["spec"]["template"]["spec"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    own = pod["containers"][0]["securityContext"]
    assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
    assert (own["capabilities"], pod["securityContext"]["seccompProfile"]) == (
        {"drop": ["ALL"]},
        {"type": "RuntimeDefault"},
    )
    policy = manifests()["NetworkPolicy"]["spec"]
    assert (policy["policyTypes"], policy["egress"]) == (["Ingress", "Egress"], [])
    named = {"DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "IPAddressDeny": "any"}
    assert named.items() <= unit().items()
    assert "MemoryDenyWriteExecute" not in unit()


def test_probes_ask_where_no_token_is_needed() -> None:
    from fsrfer.serving.guard import OPEN

    container = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert set(paths.values()) <= OPEN


def test_the_check_runs_the_image_with_the_limits_of_compose() -> None:
    options = run_options(compose()["fsrfer"])
    for wanted in (
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--memory=6g",
        "--pids-limit=256",
    ):
        assert wanted in options


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ('7 openat(AT_FDCWD, "/var/lib/nginx/body/0001", O_RDWR|O_CREAT|O_EXCL, 0600) = 9', True),
        ('7 openat(AT_FDCWD, "/var/lib/nginx/body/0001", O_RDWR|O_CREAT|O_EXCL, 0600) = -1 ENOENT', False),
        ('7 openat(AT_FDCWD, "/var/log/nginx/fsrfer.log", O_WRONLY|O_CREAT|O_APPEND, 0644) = 5', False),
        ('7 openat(AT_FDCWD, "/etc/nginx/nginx.conf", O_RDONLY) = 5', False),
    ],
)
def test_a_body_on_a_disk_is_seen(call: str, found: bool) -> None:
    assert bool(written(call)) == found
