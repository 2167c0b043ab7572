import { ContainerEventType, type RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import { statusesOf } from "../container/status.ts";
import type { Base, Events, Records } from "../ports.ts";
import { sandboxStatus } from "../sandbox/status.ts";
import { nanoseconds } from "../time.ts";

const TYPES = {
  created: ContainerEventType.CONTAINER_CREATED_EVENT,
  started: ContainerEventType.CONTAINER_STARTED_EVENT,
  stopped: ContainerEventType.CONTAINER_STOPPED_EVENT,
  deleted: ContainerEventType.CONTAINER_DELETED_EVENT,
} as const;

/** Serves GetContainerEvents: streams events with the pod's state at that time. */
export const eventCalls = (runtime: Base & Records & Events): Handlers<RuntimeServiceMethods> => ({
  async *getContainerEvents(_, { signal }) {
    for await (const { kind, id, sandboxId } of runtime.events.read(signal)) {
      const sandbox = runtime.sandboxes.find(sandboxId);
      yield {
        containerId: id,
        containerEventType: TYPES[kind],
        createdAt: nanoseconds(runtime.clock.now()),
        ...(sandbox && { podSandboxStatus: sandboxStatus(sandbox) }),
        containersStatuses: statusesOf(runtime, sandboxId),
      };
    }
  },
});
