"""`gig token`: tokens for development and tests; `gig keys`: the keys that sign and check them."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from services.auth.caller import PERSON_ID
from services.auth.issuing import (
    Issuer,
    development_issuer,
    jwks,
    new_key,
    read_private_key,
    write_private_key,
)
from services.cli import options
from services.cli.failures import USAGE, fail, reported
from services.settings import Settings, resolve

keys_app = typer.Typer(help="Keys for tokens: make one, and publish what is public of it.", no_args_is_help=True)

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Role = Annotated[
    Literal["client", "courier", "reviewer", "operator", "researcher"], typer.Argument(help="In which role.")
]
PersonId = Annotated[str, typer.Argument(metavar="ID", help="Who: the id that client_id, courier_id and so on hold.")]
Lifetime = Annotated[str, typer.Option(help="How long it holds: 30m, 12h, 7d.")]
Key = Annotated[
    Path | None,
    typer.Option(
        help="A private key in PEM that gig keys new made.", show_default="the key for development in data_dir"
    ),
]
Algorithm = Annotated[Literal["ES256", "EdDSA"], typer.Option(help="What it signs by.")]


def token(
    role: Role,
    person_id: PersonId,
    lifetime: Lifetime = "12h",
    key: Key = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = None,
    token_audience: options.TokenAudience = None,
    token_issuer: options.TokenIssuer = None,
    as_json: options.Json = False,
) -> None:
    """Issue a bearer token to whoever may read the private key: for development, for tests, for a first operator.

    Where people sign in, an identity provider issues them, and `gig serve --token-keys` has its public keys.
    """
    if not PERSON_ID.fullmatch(person_id):
        fail("ID: letters, digits and ._:@- only, at most 128", USAGE)
    seconds = _seconds(lifetime)
    flags = {"data_dir": data_dir, "token_audience": token_audience, "token_issuer": token_issuer}
    with reported():
        settings = resolve(flags, file=config).values
        issuer = issuer_of(key, settings)
    text = issuer.token(role, person_id, seconds)
    if as_json:
        found = {"token": text, "role": role, "id": person_id, "expires": int(time.time()) + seconds}
        print(json.dumps(found))
    else:
        print(text)


def issuer_of(key: Path | None, settings: Settings) -> Issuer:
    """Of a key file, or of the key for development. Raises KeysError or OSError."""
    if key is not None:
        return Issuer(read_private_key(key), settings.token_audience, settings.token_issuer)
    return development_issuer(settings.data_dir, settings.token_audience, settings.token_issuer)


@keys_app.command()
def new(
    path: Annotated[Path, typer.Argument(help="The new file; it never replaces one.")], algorithm: Algorithm = "ES256"
) -> None:
    """Make a private key, in a file that its owner alone can read."""
    with reported():
        try:
            write_private_key(path, new_key(algorithm))
        except FileExistsError:
            fail(f"{path} exists already: choose another name", USAGE)
    typer.echo(f"{path}: publish its public part with gig keys jwks {path}", err=True)


@keys_app.command("jwks")
def publish(
    keys: Annotated[list[Path], typer.Argument(help="Private keys in PEM: to rotate, the new one beside the old one.")],
) -> None:
    """Print the public parts as a JSON Web Key Set, for `gig serve --token-keys`."""
    with reported():
        print(jwks([Issuer(read_private_key(path)) for path in keys]), end="")


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None or int(found[1]) == 0:
        fail(f"--lifetime: {text!r} is no span such as 30m, 12h or 7d", USAGE)
    return int(found[1]) * UNITS_S[found[2]]
