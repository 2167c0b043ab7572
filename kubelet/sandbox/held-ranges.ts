import { ContainerState, NamespaceMode, PodSandboxState } from "@raft2kube/proto/gen/cri.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { everyContainer, everySandbox } from "../cri/every.ts";
import { isGone, type Runtime } from "../cri/runtime.ts";

/** Ids of the node that a pod has: `length` from `hostId` on. */
export type IdRange = { hostId: number; length: number };

/** A range, and the pod that has it. */
export interface PodRange extends IdRange {
  podUid: string;
}

/** Whether two ranges have an id in common. */
export function overlap(a: IdRange, b: IdRange): boolean {
  return a.hostId < b.hostId + b.length && b.hostId < a.hostId + a.length;
}

/** The ranges of sandboxes of which a process may run, as the runtime reports them. */
export async function heldRanges(runtime: Runtime["runtime"]): Promise<PodRange[]> {
  const busy = new Set<string>();
  for await (const { state, podSandboxId } of everyContainer(runtime)) {
    if (state !== ContainerState.CONTAINER_EXITED) busy.add(podSandboxId);
  }
  for await (const { id, state } of everySandbox(runtime)) {
    if (state === PodSandboxState.SANDBOX_READY) busy.add(id);
  }
  const held: PodRange[] = [];
  for (const id of busy) {
    const found = await tolerate(runtime.podSandboxStatus({ podSandboxId: id }), isGone);
    const { metadata, linux } = found?.status ?? {};
    const users = linux?.namespaces?.options?.usernsOptions;
    if (users?.mode !== NamespaceMode.POD) continue;
    for (const { hostId, length } of [...users.uids, ...users.gids]) {
      held.push({ podUid: metadata?.uid ?? "", hostId, length });
    }
  }
  return held;
}
