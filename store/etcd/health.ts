import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthMethods,
  HealthCheckResponse_ServingStatus as Serving,
} from "@raft2kube/proto/gen/health.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Call, Handlers } from "@raft2kube/rpc/server.ts";

/** The server as a whole, which is the only one that has a health, as with etcd. */
const WHOLE_SERVER = "";

/** grpc.health.v1: a member that answers serves. */
export const healthHandlers: Handlers<HealthMethods> = {
  check({ service }: HealthCheckRequest): HealthCheckResponse {
    if (service !== WHOLE_SERVER) throw new RpcError(Status.NOT_FOUND, "unknown service");
    return { status: Serving.SERVING };
  },
  /** Says how it is now; that changes only when the server ends, and the stream with it. */
  async *watch({ service }: HealthCheckRequest, { signal }: Call) {
    yield { status: service === WHOLE_SERVER ? Serving.SERVING : Serving.SERVICE_UNKNOWN };
    await new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  },
};
