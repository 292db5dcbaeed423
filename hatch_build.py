"""Build hook: generates the gRPC code of proto/gig/v1 into gen/, so that it is never checked in and never stale."""

from __future__ import annotations

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
