"""Reads the status of a running coordinator as any gRPC client would: from the .proto files alone.

usage: status.py SCHEMA_DIR STORE_DIR OUT_DIR
Prints one line: name, state, done, total.
"""

import json
import pathlib
import sys

from grpc_tools import protoc

schema, store, out = (pathlib.Path(argument) for argument in sys.argv[1:4])
files = [str(path.relative_to(schema)) for path in sorted((schema / "seedsweep" / "v1").glob("*.proto"))]
flags = [f"--proto_path={schema}", f"--python_out={out}", f"--grpc_python_out={out}"]
if protoc.main(["protoc", *flags, *files]) != 0:
    sys.exit("protoc failed")
sys.path.insert(0, str(out))

import grpc  # noqa: E402  (the generated modules must exist first)
from seedsweep.v1 import sweep_pb2, sweep_pb2_grpc  # noqa: E402

address = json.loads((store / "coordinator.json").read_text())["address"].removeprefix("http://")
token = (store / "auth" / "admin.token").read_text().strip()
with grpc.insecure_channel(address) as channel:
    sweeps = sweep_pb2_grpc.SweepServiceStub(channel)
    try:
        sweeps.ListSweeps(sweep_pb2.ListSweepsRequest(), timeout=10)
        sys.exit("a call without a token was answered")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
    metadata = [("authorization", f"Bearer {token}")]
    answer = sweeps.GetSweep(sweep_pb2.GetSweepRequest(selector="last"), metadata=metadata, timeout=10)
    state = sweep_pb2.SweepState.Name(answer.sweep.state)
    print(answer.sweep.name, state, answer.sweep.trials.done, answer.sweep.trials.total)
