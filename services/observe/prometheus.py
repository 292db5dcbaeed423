"""Prometheus as our own child: configured for a suite, with the rules and alerts."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from dispatcher.log.child_servers import ending_with_parent

LOG = "prometheus.log"


class PrometheusMissing(RuntimeError):
    """There is no Prometheus here, or it does not start."""


def binary(given: Path | None) -> str:
    """Raises PrometheusMissing where there is none."""
    found = shutil.which(str(given or "prometheus"))
    if found is None:
        raise PrometheusMissing(
            f"{given or 'prometheus'} is not here: install it (Debian: apt-get install prometheus),"
            " or name one with --prometheus"
        )
    return found


def configuration(target: str, interval: str, labels: dict[str, str]) -> dict[str, Any]:
    """That of prometheus.yml beside this file, for a suite elsewhere; rules by their full paths."""
    here = Path(str(resources.files("services.observe")))
    config: dict[str, Any] = yaml.safe_load((here / "prometheus.yml").read_text("utf-8-sig"))
    config["rule_files"] = [str(here / name) for name in config["rule_files"]]
    config["global"] = {"scrape_interval": interval, "evaluation_interval": interval}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target], "labels": labels}]
    return config


def start(
    program: str,
    folder: Path,
    target: str,
    port: int,
    interval: str = "5s",
    token: str = "",
    certificate: Path | None = None,
) -> subprocess.Popen[bytes]:
    """A Prometheus that scrapes ``target``, answers on ``port`` of this machine, and keeps its data in ``folder``.

    ``token``: where the metrics ask for one; ``certificate``: of the suite, where it serves by TLS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = configuration(target, interval, {})
    scrape = config["scrape_configs"][0]
    if token:
        secret = folder / "token"
        secret.touch(0o600)
        secret.write_text(token, "utf-8")
        scrape["authorization"] = {"credentials_file": str(secret)}
    if certificate is not None:
        scrape |= {"scheme": "https", "tls_config": {"ca_file": str(certificate.resolve())}}
    # JSON is YAML too.
    (folder / "prometheus.yml").write_text(json.dumps(config), "utf-8")
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with (folder / LOG).open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            # Out of the terminal's process group: we pass on when to end. Should we be killed, it ends too.
            process_group=0,
            preexec_fn=ending_with_parent(signal.SIGTERM),
        )


def failure(folder: Path, port: int, code: int) -> str:
    """Return why a Prometheus ended by itself, from the end of its log, and what to do."""
    lines = (folder / LOG).read_text("utf-8-sig", "replace").strip().splitlines()
    last = lines[-1] if lines else "it says nothing"
    if "address already in use" in last:
        return f"cannot listen on 127.0.0.1:{port} for Prometheus: choose another with --port"
    return f"Prometheus ended with code {code}: {last}"
