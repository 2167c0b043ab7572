import type { RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import type {
  DiskUse,
  Ends,
  Events,
  Execs,
  Images,
  Network,
  Others,
  ProcessPorts,
  Streams,
} from "../ports.ts";
import { containerCalls } from "./container-calls.ts";
import { withRpcErrors } from "./errors.ts";
import { eventCalls } from "./event-calls.ts";
import { sandboxCalls } from "./sandbox-calls.ts";
import { statsCalls } from "./stats-calls.ts";
import { statusCalls } from "./status-calls.ts";
import { streamingCalls } from "./streaming-calls.ts";

/**
 * CRI's RuntimeService. Other calls answer UNIMPLEMENTED: CheckpointContainer,
 * UpdatePodSandboxResources, and the metrics of ListPodSandboxMetrics.
 */
export function runtimeService(
  runtime: ProcessPorts & Images & Network & Events & Ends & Execs & Streams & DiskUse & Others,
): Handlers<RuntimeServiceMethods> {
  return withRpcErrors({
    ...statusCalls(runtime),
    ...sandboxCalls(runtime),
    ...containerCalls(runtime),
    ...streamingCalls(runtime),
    ...statsCalls(runtime),
    ...eventCalls(runtime),
  });
}
