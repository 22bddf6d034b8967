"""Reads the status of a running coordinator and extends its sweep as any gRPC client would: from the .proto files alone.

usage: client.py SCHEMA_DIR STORE_DIR OUT_DIR
The latest sweep must have an experiment `random` of fewer than 150 restarts. Prints two lines: name, state, done, total;
and the restarts that each experiment has after the extension.
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

    def extend(experiment: str, restarts: int, selector: str = "last"):
        request = sweep_pb2.ExtendSweepRequest(selector=selector, experiment=experiment, restarts=restarts)
        return sweeps.ExtendSweep(request, metadata=metadata, timeout=10).sweep

    def refused(code: grpc.StatusCode, word: str, *arguments):
        try:
            extend(*arguments)
        except grpc.RpcError as error:
            assert error.code() == code and word in error.details(), error
        else:
            sys.exit(f"an extension by {arguments} was taken")

    refused(grpc.StatusCode.NOT_FOUND, "`nobody`", "nobody", 150)
    refused(grpc.StatusCode.NOT_FOUND, "`nothing`", "random", 150, "nothing")
    refused(grpc.StatusCode.INVALID_ARGUMENT, "selector", "random", 150, "")
    refused(grpc.StatusCode.INVALID_ARGUMENT, "restarts", "random", 0)
    refused(grpc.StatusCode.INVALID_ARGUMENT, "restarts", "random", 2**32 - 1)
    extended = extend("random", 150)
    # restarts are counted in all: the same call again, or one that asks for fewer, changes nothing
    for restarts in (150, 3):
        again = extend("random", restarts)
        assert again.trials == extended.trials, again
    totals = " ".join(str(experiment.trials.total) for experiment in again.experiments)
    print(f"extended to {totals}, {again.trials.total} in all")
