import { join } from "node:path";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { EXAMPLES_DIR, GATEWAY_ADDONS_DIR, INGRESS_ADDONS_DIR } from "../assets.ts";
import type { StepOf } from "../plan/step.ts";
import { applyFolder, createMissing } from "./add-ons.ts";
import { type Context, untilAborted } from "./context.ts";
import { bringProgram, untilAvailable } from "./program-add-on.ts";
import { IMAGE_PROGRAMS } from "./program-image.ts";

const PORT_TIMEOUT_MS = 90_000;
const NAME = { namespace: "ingress", name: "ingress" };

/**
 * Brings the ingress controller: its image into each node that runs, then its objects; and an
 * Ingress of the demo. Resolves when it serves.
 */
export async function applyIngress(
  { cluster, demo, api }: StepOf<"ingress">,
  context: Context,
): Promise<void> {
  const { signal, progress } = context;
  const client = await context.client();
  await context.step("ingress controller", () =>
    untilAborted(signal, async () => {
      await bringProgram(client, cluster, IMAGE_PROGRAMS.ingress, INGRESS_ADDONS_DIR);
      // The API needs a moment for objects of the CRDs.
      if (api === "gateway") {
        await waitFor(
          "the Gateway API",
          async () => {
            await applyFolder(client, GATEWAY_ADDONS_DIR, cluster);
            return true;
          },
          { clock: machineClock(context.clock), signal, interval_ms: 200 },
        );
      }
      if (demo) await createMissing(client, join(EXAMPLES_DIR, "web-ingress.yaml"), cluster);
    }),
  );
  const port = await context.step("ingress is ready", () => readyPort(client, context));
  if (demo) progress.note(`\nThe demo by its name: http://web.localhost:${port}/`);
}

/** Waits until the controller is available; resolves with its node port, which localhost has. */
async function readyPort(client: KubeClient, context: Context): Promise<number> {
  await untilAvailable(client, NAME, context);
  const { clock, signal } = context;
  const services = client.resource(SERVICES);
  return waitFor(
    "the ingress Service to have a node port",
    async () => {
      return (await services.get(NAME)).spec.ports?.find(({ name }) => name === "http")?.nodePort;
    },
    { clock: machineClock(clock), timeout_ms: PORT_TIMEOUT_MS, signal },
  );
}
