import type { PodSandboxFilter, RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import { statusesOf } from "../container/status.ts";
import { recordsFor } from "../pod-group.ts";
import type { DiskUse, Ends, Events, Network, Others, ProcessPorts } from "../ports.ts";
import { updateSandboxResources } from "../sandbox/resources.ts";
import { runSandbox } from "../sandbox/run.ts";
import { sandboxLine, sandboxStatus, selectSandboxes } from "../sandbox/status.ts";
import { removePodSandbox, stopPodSandbox } from "../sandbox/stop.ts";
import { nanoseconds } from "../time.ts";
import { inPieces } from "./pieces.ts";

/** CRI's calls about sandboxes. */
export function sandboxCalls(
  runtime: ProcessPorts & Network & Events & Ends & DiskUse & Others,
): Handlers<RuntimeServiceMethods> {
  const list = async (filter: PodSandboxFilter | undefined) => {
    const own = recordsFor(runtime.sandboxes, filter);
    const all = [...own, ...(await runtime.others.sandboxes())];
    return selectSandboxes(all, filter).map(sandboxLine);
  };
  return {
    runPodSandbox: async (request) => ({ podSandboxId: await runSandbox(runtime, request) }),
    async stopPodSandbox({ podSandboxId }) {
      await stopPodSandbox(runtime, podSandboxId);
      return {};
    },
    async removePodSandbox({ podSandboxId }) {
      await removePodSandbox(runtime, podSandboxId);
      return {};
    },
    async updatePodSandboxResources({ podSandboxId, ...changed }) {
      await updateSandboxResources(runtime, podSandboxId, changed);
      return {};
    },
    async podSandboxStatus({ podSandboxId, verbose }) {
      const record = runtime.sandboxes.get(podSandboxId);
      return {
        status: sandboxStatus(record),
        info: verbose ? { info: JSON.stringify(record) } : {},
        containersStatuses: statusesOf(runtime, podSandboxId),
        timestamp: nanoseconds(runtime.clock.now()),
      };
    },
    async listPodSandbox({ filter }) {
      return { items: await list(filter) };
    },
    async *streamPodSandboxes({ filter }) {
      for (const podSandboxes of inPieces(await list(filter))) yield { podSandboxes };
    },
  };
}
