"""`gig observe`: Prometheus beside the running suite, with our rules and alerts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli import options
from services.cli.failures import FAILED, fail, reported
from services.cli.token import issuer_of
from services.observe import prometheus
from services.observe.child import EndedWithUs
from services.settings import resolve

Binary = Annotated[
    Path | None, typer.Option("--prometheus", help="The program to start.", show_default="the one on PATH")
]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Where Prometheus answers, on this machine.")]
Token = Annotated[
    str,
    typer.Option(
        envvar="GIG_TOKEN", help="Where metrics ask for one.", show_default="one by the key for development in data_dir"
    ),
]
TOKEN_S = 365 * 86400
Interval = Annotated[str, typer.Option(help="How often the suite is asked, as Prometheus writes it.")]


def observe(
    program: Binary = None,
    port: Port = 9090,
    interval: Interval = "5s",
    config: options.ConfigFile = None,
    http_address: options.HttpAddress = None,
    data_dir: options.DataDir = None,
    without_token: options.WithoutToken = None,
    tls_certificate: options.TlsCertificate = None,
    tls_key: options.TlsKey = None,
    token: Token = "",
) -> None:
    """Start Prometheus against the suite that runs on this machine, until Ctrl-C or SIGTERM.

    It comes with recording rules and alerts; Grafana's dashboards are JSON files in services/observe/dashboards.
    """
    flags = {"http_address": http_address, "data_dir": data_dir, "without_token": without_token}
    flags |= {"tls_certificate": tls_certificate, "tls_key": tls_key}
    with reported():
        settings = resolve(flags, file=config).values
        if "metrics" not in settings.without_token and not token:
            token = issuer_of(None, settings).token("researcher", "prometheus", TOKEN_S)
    try:
        found = prometheus.binary(program)
    except prometheus.PrometheusMissing as fault:
        fail(str(fault), FAILED)
    folder = settings.data_dir / "prometheus"

    def start() -> subprocess.Popen[bytes]:
        target, certificate = settings.http_address, settings.tls_certificate
        return prometheus.start(found, folder, target, port, interval, token, certificate)

    out = Console(stderr=True)
    where = f"http://127.0.0.1:{port}/alerts"
    out.print(f"Prometheus: {where}   asks the suite at {settings.http_address} every {interval}")
    out.print(f"[dim]its data and log are in {folder}; Ctrl-C or SIGTERM ends it[/dim]")
    with EndedWithUs() as ending:
        code = ending.run(start)
    if not ending.asked:
        fail(prometheus.failure(folder, port, code), FAILED)
