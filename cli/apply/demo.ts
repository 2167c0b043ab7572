import { request } from "node:http";
import { join } from "node:path";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { EXAMPLES_DIR } from "../assets.ts";
import type { StepOf } from "../plan/step.ts";
import { createMissing } from "./add-ons.ts";
import { type Context, untilAborted } from "./context.ts";

const ANSWER_TIMEOUT_MS = 90_000;
const REQUEST_TIMEOUT_MS = 1_000;
const POLL_MS = 50;

/** Creates the demo, unless it is there: it is what its user has made of it since. */
export async function applyDemo({ cluster }: StepOf<"demo">, context: Context): Promise<void> {
  const client = await context.client();
  const manifest = join(EXAMPLES_DIR, "web.yaml");
  context.demoObjects = await context.step("demo", () => {
    return untilAborted(context.signal, () => createMissing(client, manifest, cluster));
  });
}

/** Waits until a demo that this call created answers, and shows the answer. */
export async function applyAnswer(_: StepOf<"answer">, context: Context): Promise<void> {
  if (!context.demoObjects) return;
  const { clock, signal, progress } = context;
  const client = await context.client();
  const title = "first answer through the Service";
  const { address, body } = await context.step(title, () => firstAnswer(client, clock, signal));
  progress.note(`\n$ curl http://${address}/\n${body.trimEnd()}`);
}

/**
 * Waits until the demo answers through its Service, or `signal` aborts; resolves with the address
 * and the answer.
 */
async function firstAnswer(
  client: KubeClient,
  wall: Clock,
  signal: AbortSignal,
): Promise<{ address: string; body: string }> {
  const clock = machineClock(wall);
  const services = client.resource(SERVICES);
  const address = await waitFor(
    "the demo's Service to have an address",
    async () => (await services.get({ namespace: "default", name: "web" })).spec?.clusterIP,
    { clock, timeout_ms: ANSWER_TIMEOUT_MS, signal },
  );
  const body = await waitFor(`an answer from http://${address}/`, () => get(address), {
    clock,
    timeout_ms: ANSWER_TIMEOUT_MS,
    interval_ms: POLL_MS,
    signal,
  });
  return { address, body };
}

/** One request on a connection of its own; rejects unless the answer is 200. */
function get(host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host, agent: false, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => {
        if (response.statusCode === 200) resolve(body);
        else reject(new CodedError("ANSWER", `HTTP ${response.statusCode}: ${body}`));
      });
    });
    call.on("timeout", () => call.destroy(new CodedError("ANSWER", "no answer in time")));
    call.on("error", reject);
    call.end();
  });
}
