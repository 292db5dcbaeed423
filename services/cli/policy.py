"""`gig policy`: a policy as a document that those it governs can read, its differences, and a change with notice."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from dispatcher import policy as policies
from dispatcher.policy_document import difference, markdown, parameters
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import oversight_service_pb2_grpc as rpc
from gig.v1 import policy_pb2 as policy_pb
from services.auth.gate import bearer
from services.cli import options
from services.cli.failures import FAILED, USAGE, fail, reported
from services.cli.token import issuer_of
from services.settings import Settings, resolve

policy_app = typer.Typer(
    help="The policy: show it as people read it, compare two, and publish a change with its notice.",
    no_args_is_help=True,
)

CALL_LIMIT_S = 10.0
RUNNING = "the running suite's"

Target = Annotated[str, typer.Option(help="Where a suite serves gRPC.")]
Named = Annotated[str | None, typer.Argument(help="A preset's name or a TOML file.", show_default=RUNNING)]
Notice = Annotated[float | None, typer.Option(min=0, max=366, help="Days until it comes into force.")]
ADDRESS = "localhost:50051"
Token = Annotated[
    str | None,
    typer.Option(envvar="GIG_TOKEN", help="Who asks.", show_default="one by the key for development in data_dir"),
]
Authorities = Annotated[
    Path | None, typer.Option("--tls-ca", help="Authorities in PEM that the suite's certificate is of: by TLS.")
]


@policy_app.command()
def show(
    name: Named = None,
    target: Target = ADDRESS,
    token: Token = None,
    tls_ca: Authorities = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, to publish.")] = False,
    as_json: options.Json = False,
) -> None:
    """The policy in force (or a preset, or a file): every parameter with its value, weight, meaning and source."""
    chosen = _policy(name, _Suite(target, token, tls_ca, config, data_dir))
    if as_json:
        print(json.dumps(MessageToDict(chosen, preserving_proto_field_name=True)))
    elif as_markdown:
        typer.echo(markdown(chosen))
    else:
        Console().print(Markdown(markdown(chosen)))


@policy_app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A preset's name or a TOML file.")],
    after: Named = None,
    target: Target = ADDRESS,
    token: Token = None,
    tls_ca: Authorities = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """What changes from one policy to another: the parameters that differ. Exit code 0, whether any do or not."""
    suite = _Suite(target, token, tls_ca, config, data_dir)
    old, new = _policy(before, suite), _policy(after, suite)
    _show_difference(old, new, as_json)


@policy_app.command()
def publish(
    name: Annotated[str, typer.Argument(help="A preset's name or a TOML file.")],
    operator: Annotated[str, typer.Option(help="Who publishes it: an operator's id.")],
    target: Target = ADDRESS,
    token: Token = None,
    tls_ca: Authorities = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = None,
    notice: Notice = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: options.Json = False,
) -> None:
    """Announce a policy to a running suite. It comes into force after the notice that the present policy promises,
    or after --notice days, where that is longer; at once where no notice is promised."""
    suite = _Suite(target, token, tls_ca, config, data_dir)
    new = _policy(name, suite)
    with suite.oversight("operator", operator) as ask:
        old = ask("GetPolicy", pb.GetPolicyRequest()).policy
        if dry_run:
            _show_difference(old, new, as_json)
            return
        request = pb.SetPolicyRequest(request_id=secrets.token_hex(8), operator_id=operator, policy=new)
        if notice is not None:
            # By the market's clock, which a demonstration's runs ahead of ours.
            now = ask("GetMarket", pb.GetMarketRequest()).market.time
            request.effective_time.FromDatetime(now.ToDatetime() + timedelta(days=notice))
        answer = ask("SetPolicy", request)
    moment = answer.effective_time.ToJsonString()
    if as_json:
        print(json.dumps({"name": new.name, "effective_time": moment}))
        return
    _show_difference(old, new, as_json=False)
    typer.echo(f"{new.name!r} comes into force at {moment}.")


@dataclass(frozen=True, slots=True)
class _Suite:
    """A running suite, and by which token it is asked."""

    target: str
    token: str | None
    authorities: Path | None
    config: Path | None
    data_dir: Path | None

    @contextmanager
    def oversight(self, role: str, person_id: str) -> Iterator[Callable[[str, Message], Any]]:
        """Calls a method of OversightService by its name; its failures are told in a line."""
        with reported():
            metadata = bearer(self.token or self._own_token(role, person_id))
            channel = self._channel()
        stub = rpc.OversightServiceStub(channel)
        try:
            yield lambda name, request: getattr(stub, name)(request, timeout=CALL_LIMIT_S, metadata=metadata)
        except grpc.RpcError as fault:
            if fault.code() is grpc.StatusCode.UNAVAILABLE:
                text = f"no suite answers at {self.target}: start one with gig serve, or name another --target"
                fail(f"{text} ({fault.details()})", FAILED)
            if fault.code() is grpc.StatusCode.UNAUTHENTICATED:
                fail(f"{fault.details()}; {self._signed_by()}", USAGE)
            fail(fault.details(), USAGE if fault.code() is grpc.StatusCode.INVALID_ARGUMENT else FAILED)
        finally:
            channel.close()

    def _own_token(self, role: str, person_id: str) -> str:
        """For the suite that runs here by its key for development."""
        return issuer_of(None, self._settings()).token(role, person_id, CALL_LIMIT_S)

    def _signed_by(self) -> str:
        """Say where the refused token came from, and how to use another one."""
        if self.token:
            return "it came from --token or GIG_TOKEN"
        key = f"it was signed with the key for development in {self._settings().data_dir}"
        return f"{key}: name the server's --data-dir, or give a --token of its issuer"

    def _settings(self) -> Settings:
        return resolve({"data_dir": self.data_dir}, file=self.config).values

    def _channel(self) -> grpc.Channel:
        if self.authorities is None:
            return grpc.insecure_channel(self.target)
        return grpc.secure_channel(self.target, grpc.ssl_channel_credentials(self.authorities.read_bytes()))


def _policy(name: str | None, suite: _Suite) -> policy_pb.Policy:
    if name is not None:
        with reported():
            return policies.load(name)
    with suite.oversight("researcher", "cli") as ask:
        found: policy_pb.Policy = ask("GetPolicy", pb.GetPolicyRequest()).policy
    return found


def _show_difference(old: policy_pb.Policy, new: policy_pb.Policy, as_json: bool) -> None:
    rows = difference(old, new)
    if as_json:
        names = ("parameter", "before", "after", "meaning")
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
        return
    if not rows:
        typer.echo(f"{old.name!r} and {new.name!r} have the same {len(parameters(old))} parameters.")
        return
    table = Table("parameter", f"before ({old.name})", f"after ({new.name})", "meaning")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
