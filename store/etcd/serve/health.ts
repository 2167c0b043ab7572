import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Status,
} from "@raft2kube/proto/gen/health.ts";
import { RpcError, Status as RpcStatus } from "@raft2kube/rpc/error.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import type { EtcdContext } from "../request/context.ts";
import { type LeaderLoss, whenLost } from "./require-leader.ts";

/** The server as a whole, which is the only one that has a health, as with etcd. */
const WHOLE_SERVER = "";

/** grpc.health.v1, Check. */
export async function healthCheck(
  { serving }: EtcdContext,
  { service }: HealthCheckRequest,
): Promise<HealthCheckResponse> {
  if (service !== WHOLE_SERVER) throw new RpcError(RpcStatus.NOT_FOUND, "unknown service");
  return { status: serving.status };
}

/** grpc.health.v1, Watch: says how it is now, and each time that has changed. */
export async function* healthWatch(
  { serving }: EtcdContext,
  loss: LeaderLoss,
  { service }: HealthCheckRequest,
  call: Call,
): AsyncGenerator<HealthCheckResponse> {
  const status = () => (service === WHOLE_SERVER ? serving.status : Status.SERVICE_UNKNOWN);
  let ended = false;
  let wake: () => void = () => undefined;
  const end = () => {
    ended = true;
    wake();
  };
  const unlisten = [serving.listen(() => wake()), whenLost(loss, call, end)];
  call.signal.addEventListener("abort", end, { once: true });
  try {
    let sent: Status | undefined;
    while (!ended && !serving.ended) {
      if (status() === sent) await new Promise<void>((resolve) => (wake = resolve));
      else yield { status: (sent = status()) };
    }
    throw new RpcError(RpcStatus.CANCELLED, "Stream has ended.");
  } finally {
    for (const stop of unlisten) stop();
    call.signal.removeEventListener("abort", end);
  }
}
