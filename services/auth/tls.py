"""Certificates of the suite: TLS for gRPC and HTTP, mutual TLS for gRPC. Files that change are taken up at once."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


class TlsError(ValueError):
    """Certificates that cannot be used; the message names the files and the fault."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: a certificate with its chain, its key, and, for mutual TLS, the authorities of clients."""

    certificate: Path
    key: Path
    client_authorities: Path | None = None

    def stamp(self) -> Stamp:
        """Raises OSError."""
        paths = [path for path in (self.certificate, self.key, self.client_authorities) if path is not None]
        return tuple((found.st_mtime_ns, found.st_size, found.st_ino) for found in map(Path.stat, paths))


class Certificates:
    """Raises TlsError where the files cannot be used. Each handshake uses the files of its moment; where these cannot
    be used, the ones before."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        try:
            self._stamp = files.stamp()
            self._context = _context(files)
            self._configuration = _configuration(files)
        except (OSError, ssl.SSLError, ValueError) as fault:
            raise TlsError(f"TLS: {files.certificate}, {files.key}: {fault}") from fault

    def grpc_credentials(self) -> grpc.ServerCredentials:
        required = self._files.client_authorities is not None
        return grpc.dynamic_ssl_server_credentials(self._configuration, self._for_grpc, required)

    def http_context(self) -> ssl.SSLContext:
        """Browsers have no certificates: the pages ask for tokens alone."""
        self._context.sni_callback = self._for_http
        return self._context

    def _for_grpc(self) -> Any:
        """Called by gRPC at each handshake."""
        self._refresh()
        return self._configuration

    def _for_http(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        self._refresh()
        connection.context = self._context

    def _refresh(self) -> None:
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            context, configuration = _context(self._files), _configuration(self._files)
        except (OSError, ssl.SSLError, ValueError) as fault:
            log.error("the certificates in force stay: %s", fault)
            return
        context.sni_callback = self._for_http
        self._context, self._configuration = context, configuration
        log.info("certificates were read anew")


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    return context


def _configuration(files: TlsFiles) -> Any:
    authorities = None if files.client_authorities is None else files.client_authorities.read_bytes()
    pairs = [(files.key.read_bytes(), files.certificate.read_bytes())]
    return grpc.ssl_server_certificate_configuration(pairs, authorities)
