"""Build hook: generates the gRPC code of proto/gig/v1 into gen/, so that it is never checked in and never stale."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def validate_descriptor_set() -> bytes:
    """Descriptor set of buf/validate/validate.proto and its imports, taken from the protovalidate package."""
    from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
    from protovalidate._gen.buf.validate import validate_pb

    files = descriptor_pb2.FileDescriptorSet()
    for well_known in (descriptor_pb2, duration_pb2, timestamp_pb2, field_mask_pb2):
        well_known.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    return files.SerializeToString()


def generate(root: Path, out: Path) -> None:
    """Write ``gig/v1/*_pb2.py``, its stubs and ``buf/validate`` below ``out``."""
    import grpc_tools
    from google.rpc import status_pb2
    from grpc_tools import protoc

    sources = sorted(str(path.relative_to(root / "proto")) for path in (root / "proto/gig/v1").glob("*.proto"))
    services = [name for name in sources if name.endswith("_service.proto")]
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        descriptors = Path(scratch, "validate.binpb")
        descriptors.write_bytes(validate_descriptor_set())
        common_protos = Path(status_pb2.__file__).parents[2]
        paths = [
            f"-I{root / 'proto'}",
            f"-I{common_protos}",
            f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
        ]
        inputs = [f"--descriptor_set_in={descriptors}"]
        for args in (
            [*inputs, *paths, f"--python_out={out}", f"--pyi_out={out}", *sources],
            [*inputs, *paths, f"--grpc_python_out={out}", *services],
            [*inputs, f"--python_out={out}", f"--pyi_out={out}", "buf/validate/validate.proto"],
            [*inputs, *paths, "--include_imports", "--include_source_info", f"-o{out / 'gig.binpb'}", *sources],
        ):
            if protoc.main(["protoc", *args]) != 0:
                raise RuntimeError("protoc failed; its message stands above")
    comments = policy_comments((out / "gig.binpb").read_bytes())
    (out / "gig/v1/policy_comments.json").write_text(json.dumps(comments, indent=1), encoding="utf-8")


def policy_comments(descriptor_set: bytes) -> dict[str, str]:
    """What the contract says of each field and message of the policy, by full name: for the policy's public page."""
    from google.protobuf import descriptor_pb2

    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file
    policy = next(file for file in files if file.name == "gig/v1/policy.proto")
    found = {}
    for location in policy.source_code_info.location:
        # 4: a message of the file, 2: a field of the message; see descriptor.proto.
        path, text = list(location.path), " ".join(location.leading_comments.split())
        if text and len(path) in (2, 4) and path[0] == 4 and (len(path) == 2 or path[2] == 2):
            message = policy.message_type[path[1]]
            name = f".{message.field[path[3]].name}" if len(path) == 4 else ""
            found[f"{policy.package}.{message.name}{name}"] = text
    return found


class GenerateProto(BuildHookInterface[Any]):
    PLUGIN_NAME = "generate-proto"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        generate(root, root / "gen")
        if version != "editable":
            build_data["force_include"][str(root / "gen/gig")] = "gig"
            build_data["force_include"][str(root / "gen/buf")] = "buf"


if __name__ == "__main__":
    here = Path(__file__).parent
    generate(here, Path(sys.argv[1]) if len(sys.argv) > 1 else here / "gen")
