import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { StepOf } from "../plan/step.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { CommandError } from "../terminal.ts";
import { type Context, type StartContext, untilAborted } from "./context.ts";

export function applyReady({ node }: StepOf<"ready">, context: Context): Promise<void> {
  // A request to an API server that hangs does not end by the signal.
  return context.step("node ready", () =>
    untilAborted(context.signal, async () => nodeReady(await context.client(), node, context)),
  );
}

/** Waits for the Node's condition Ready; an error has the condition's message. */
export async function nodeReady(
  client: KubeClient,
  { nodeName }: Pick<ClusterConfig, "nodeName">,
  { clock, readyTimeout_ms, signal }: StartContext,
): Promise<void> {
  const nodes = client.resource(NODES);
  let reason = "it has not registered";
  try {
    await waitFor(
      `node ${nodeName} to be Ready`,
      async () => {
        const { status } = await nodes.get({ name: nodeName });
        const ready = status?.conditions?.find((item) => item.type === "Ready");
        reason = ready?.message ?? "it has no condition Ready";
        return ready?.status === "True";
      },
      { clock: machineClock(clock), timeout_ms: readyTimeout_ms, interval_ms: 50, signal },
    );
  } catch (cause) {
    throw new CommandError("NOT_READY", `node ${nodeName} is not Ready: ${reason}`, { cause });
  }
}
