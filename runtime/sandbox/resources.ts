import { type LinuxContainerResources, PodSandboxState } from "@raft2kube/proto/gen/cri.ts";
import { given } from "@raft2kube/std/given.ts";
import { RuntimeError } from "../errors.ts";
import type { Records } from "../ports.ts";
import { sandboxState } from "./status.ts";

/**
 * Serves UpdatePodSandboxResources: records what a pod has in all since its resize. Its cgroup is
 * the kubelet's, and has been changed. Throws failed-precondition for a sandbox that is not ready.
 */
export async function updateSandboxResources(
  { turns, sandboxes }: Records,
  id: string,
  changed: {
    overhead?: LinuxContainerResources | undefined;
    resources?: LinuxContainerResources | undefined;
  },
): Promise<void> {
  await turns.run(id, async () => {
    const record = sandboxes.get(id);
    const { linux } = record.config;
    if (sandboxState(record) !== PodSandboxState.SANDBOX_READY || linux === undefined) {
      throw new RuntimeError("failed-precondition", `sandbox ${id} is not ready`);
    }
    const config = { ...record.config, linux: { ...linux, ...given(changed) } };
    await sandboxes.put({ ...record, config });
  });
}
