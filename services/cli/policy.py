"""`gig policy`: a policy as a document that those it governs can read, its differences, and a change with notice."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from typing import Annotated

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from dispatcher import policy as policies
from dispatcher.policy_document import difference, markdown, parameters
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import oversight_service_pb2_grpc as rpc
from gig.v1 import policy_pb2 as policy_pb
from services.cli import options
from services.cli.failures import FAILED, USAGE, fail, reported

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


@policy_app.command()
def show(
    name: Named = None,
    target: Target = ADDRESS,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, to publish.")] = False,
    as_json: options.Json = False,
) -> None:
    """The policy in force (or a preset, or a file): every parameter with its value, weight, meaning and source."""
    chosen = _policy(name, target)
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
    as_json: options.Json = False,
) -> None:
    """What changes from one policy to another: the parameters that differ. Exit code 0, whether any do or not."""
    old, new = _policy(before, target), _policy(after, target)
    _show_difference(old, new, as_json)


@policy_app.command()
def publish(
    name: Annotated[str, typer.Argument(help="A preset's name or a TOML file.")],
    operator: Annotated[str, typer.Option(help="Who publishes it: an operator's id.")],
    target: Target = ADDRESS,
    notice: Notice = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: options.Json = False,
) -> None:
    """Announce a policy to a running suite. It comes into force after the notice that the present policy promises,
    or after --notice days, where that is longer; at once where no notice is promised."""
    new = _policy(name, target)
    with _oversight(target) as stub:
        old = stub.GetPolicy(pb.GetPolicyRequest(), timeout=CALL_LIMIT_S).policy
        if dry_run:
            _show_difference(old, new, as_json)
            return
        request = pb.SetPolicyRequest(request_id=secrets.token_hex(8), operator_id=operator, policy=new)
        if notice is not None:
            # By the market's clock, which a demonstration's runs ahead of ours.
            now = stub.GetMarket(pb.GetMarketRequest(), timeout=CALL_LIMIT_S).market.time
            request.effective_time.FromDatetime(now.ToDatetime() + timedelta(days=notice))
        answer = stub.SetPolicy(request, timeout=CALL_LIMIT_S)
    moment = answer.effective_time.ToJsonString()
    if as_json:
        print(json.dumps({"name": new.name, "effective_time": moment}))
        return
    _show_difference(old, new, as_json=False)
    typer.echo(f"{new.name!r} comes into force at {moment}.")


class _oversight:
    """A suite's OversightService, with its failures told in a line."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._channel = grpc.insecure_channel(target)

    def __enter__(self) -> rpc.OversightServiceStub:
        return rpc.OversightServiceStub(self._channel)

    def __exit__(self, _kind: object, fault: BaseException | None, _trace: object) -> None:
        self._channel.close()
        if isinstance(fault, grpc.RpcError):
            code = fault.code()
            if code is grpc.StatusCode.UNAVAILABLE:
                fail(f"no suite answers at {self._target}: start one with gig serve, or name another --target", FAILED)
            fail(fault.details(), USAGE if code is grpc.StatusCode.INVALID_ARGUMENT else FAILED)


def _policy(name: str | None, target: str) -> policy_pb.Policy:
    if name is not None:
        with reported():
            return policies.load(name)
    with _oversight(target) as stub:
        found: policy_pb.Policy = stub.GetPolicy(pb.GetPolicyRequest(), timeout=CALL_LIMIT_S).policy
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
