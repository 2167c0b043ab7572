import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { assemble, type Kubelet } from "./assembly/kubelet.ts";
import { connectRuntime } from "./cri/runtime.ts";
import { RUNTIME_START_MS } from "./limits.ts";
import type { KubeletOptions } from "./options.ts";

export type { Kubelet } from "./assembly/kubelet.ts";
export type { KubeletOptions } from "./options.ts";

/**
 * Starts the node agent: registers the node, runs the pods that the API and the static pod
 * directory give it over CRI, and shows how they are. Rejects when the runtime does not answer in a
 * minute.
 */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const clock = options.clock ?? systemClock();
  const runtime = connectRuntime(options.runtimeEndpoint, options.imageEndpoint);
  try {
    const version = await waitFor("the container runtime", () => runtime.runtime.version({}), {
      clock,
      timeout_ms: RUNTIME_START_MS,
      interval_ms: 100,
    });
    return await assemble(options, { clock, runtime, version });
  } catch (thrown) {
    runtime.close();
    throw thrown;
  }
}
