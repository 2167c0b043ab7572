import type { ContainerFilter, RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import { reopenLog } from "../container/control.ts";
import { createContainer } from "../container/create.ts";
import { removeContainer } from "../container/remove.ts";
import { startContainer } from "../container/start.ts";
import { containerLine, containerStatus, selectContainers } from "../container/status.ts";
import { stopContainer } from "../container/stop.ts";
import { updateResources } from "../container/update.ts";
import { recordsFor } from "../pod-group.ts";
import type { DiskUse, Ends, Events, Images, Others, ProcessPorts, Records } from "../ports.ts";
import { isAlive } from "../process-identity.ts";
import { inPieces } from "./pieces.ts";

/** Checks running containers whose process has ended: their conmon may have been killed. */
function checkEnded(runtime: Records & Ends): void {
  for (const { id, phase } of runtime.containers.values()) {
    if (phase.state === "running" && !isAlive(phase.process)) runtime.exits.check(id);
  }
}

/** CRI's calls about containers. */
export function containerCalls(
  runtime: ProcessPorts & Images & Events & Ends & DiskUse & Others,
): Handlers<RuntimeServiceMethods> {
  const list = async (filter: ContainerFilter | undefined) => {
    checkEnded(runtime);
    const own = recordsFor(runtime.containers, filter);
    const all = [...own, ...(await runtime.others.containers())];
    return { containers: selectContainers(all, filter).map(containerLine) };
  };
  return {
    createContainer: async (request) => ({ containerId: await createContainer(runtime, request) }),
    async startContainer({ containerId }) {
      await startContainer(runtime, containerId);
      return {};
    },
    async stopContainer({ containerId, timeout }, { signal }) {
      await stopContainer(runtime, containerId, timeout, signal);
      return {};
    },
    async removeContainer({ containerId }) {
      await removeContainer(runtime, containerId);
      return {};
    },
    listContainers: ({ filter }) => list(filter),
    async *streamContainers({ filter }) {
      const { containers } = await list(filter);
      for (const piece of inPieces(containers)) yield { containers: piece };
    },
    async containerStatus({ containerId, verbose }) {
      const others = runtime.containers.find(containerId) ? [] : await runtime.others.containers();
      const other = others.find(({ id }) => id === containerId);
      const record = other ?? runtime.containers.get(containerId);
      return {
        status: containerStatus(record),
        info: verbose ? { info: JSON.stringify(record) } : {},
      };
    },
    async updateContainerResources({ containerId, linux }) {
      if (linux) await updateResources(runtime, containerId, linux);
      return {};
    },
    async reopenContainerLog({ containerId }) {
      await reopenLog(runtime, containerId);
      return {};
    },
  };
}
