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
  Records,
  Streams,
} from "../ports.ts";
import { containerCalls } from "./container-calls.ts";
import { withRpcErrors } from "./errors.ts";
import { eventCalls } from "./event-calls.ts";
import { sandboxCalls } from "./sandbox-calls.ts";
import { statsCalls } from "./stats-calls.ts";
import { statusCalls } from "./status-calls.ts";
import { streamingCalls } from "./streaming-calls.ts";

/** CRI's RuntimeService. CheckpointContainer answers UNIMPLEMENTED. */
export function runtimeService(
  runtime: ProcessPorts & Images & Network & Events & Ends & Execs & Streams & DiskUse & Others,
): Handlers<RuntimeServiceMethods> {
  return withRpcErrors(
    withWholeIds(runtime, {
      ...statusCalls(runtime),
      ...sandboxCalls(runtime),
      ...containerCalls(runtime),
      ...streamingCalls(runtime),
      ...statsCalls(runtime),
      ...eventCalls(runtime),
    }),
  );
}

type Asking = { containerId?: string; podSandboxId?: string; filter?: Filter };
type Filter = { id?: string; podSandboxId?: string };
type Handler = (request: Asking, ...rest: unknown[]) => unknown;

/** Makes handlers take the starts of ids, which crictl's lists show and its users write. */
function withWholeIds<H extends object>({ containers, sandboxes }: Records, handlers: H): H {
  const wholeIn = (request: Asking) => {
    const { containerId, podSandboxId } = request;
    return {
      ...request,
      ...(containerId && { containerId: containers.wholeId(containerId) }),
      ...(podSandboxId && { podSandboxId: sandboxes.wholeId(podSandboxId) }),
    };
  };
  const wrapped = Object.entries(handlers as Record<string, Handler>).map(([name, handler]) => {
    const table = /Sandbox/.test(name) ? sandboxes : containers;
    const called: Handler = (request, ...rest) => {
      const { filter } = request;
      if (!filter) return handler(wholeIn(request), ...rest);
      const id = filter.id && { id: table.wholeId(filter.id) };
      return handler({ ...wholeIn(request), filter: { ...wholeIn(filter), ...id } }, ...rest);
    };
    return [name, called] as const;
  });
  return Object.fromEntries(wrapped) as H;
}
