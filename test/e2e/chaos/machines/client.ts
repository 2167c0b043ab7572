// Clients of an API that is under chaos: each writes and reads ConfigMaps, repeats what fails, and
// prints a JSON line for each attempt, until its input has data. Usage: node client.ts KUBECONFIG
import { setTimeout as pause } from "node:timers/promises";
import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import { isAlreadyExists } from "@raft2kube/client-kube/errors.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CONFIG_MAPS } from "@raft2kube/client-kube/rest/resources.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Attempt, Seen } from "./history.ts";

const NAMESPACE = "default";
const OBJECTS = 4;
const CLIENTS = 4;
const THINK_MS = 30;
const AFTER_FAILURE_MS = 100;
const ATTEMPT_TIMEOUT_MS = 15_000;

const clock = systemClock();
const client = new KubeClient({
  ...(await kubeConnection(process.argv[2] ?? "")),
  clock,
  qps: 1_000,
  burst: 1_000,
});
const path = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
let order = 0;
let values = 0;
let stopping = false;

const print = (line: Attempt | Seen) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** One attempt of a request; resolves with whether it was answered. */
async function attempt(key: string, write: boolean, since_ms: number): Promise<boolean> {
  const began = ++order;
  const value = write ? `v${++values}` : undefined;
  const about = { key, write, began };
  try {
    const object = await client.request<ConfigMap>({
      method: write ? "PATCH" : "GET",
      path: `${path}/${key}`,
      ...(write ? { body: { data: { value } } } : {}),
      contentType: "application/merge-patch+json",
      timeout_ms: ATTEMPT_TIMEOUT_MS,
    });
    const took_ms = Math.round(clock.monotonic() - since_ms);
    print({ ...about, ended: ++order, value: object.data?.["value"] ?? "", took_ms });
    return true;
  } catch (thrown) {
    const took_ms = Math.round(clock.monotonic() - since_ms);
    print({ ...about, value: value ?? "", took_ms, failure: failureOf(thrown) });
    return false;
  }
}

/** The message of an error, with the time to look for in the machines' logs. */
const failureOf = (thrown: unknown) => `${messageOf(thrown)} at ${new Date().toISOString()}`;

async function work(at: number): Promise<void> {
  for (let turn = at; !stopping; turn++) {
    const since_ms = clock.monotonic();
    const key = `chaos-${turn % OBJECTS}`;
    const write = turn % 3 !== 0;
    while (!(await attempt(key, write, since_ms)) && !stopping) await pause(AFTER_FAILURE_MS);
    await pause(THINK_MS);
  }
}

for (let i = 0; i < OBJECTS; i++) {
  const body = { metadata: { name: `chaos-${i}` }, data: { value: "" } };
  const made = client.request({ method: "POST", path, body });
  await made.catch((thrown: unknown) => {
    if (!isAlreadyExists(thrown)) throw thrown;
  });
}
const informers = new InformerSet(client, clock);
const informer = informers.of(CONFIG_MAPS);
informers.start();
await informer.synced;
process.stdin.on("data", () => (stopping = true));
await Promise.all(Array.from({ length: CLIENTS }, (_, i) => work(i)));
const { items } = await client.resource(CONFIG_MAPS).list({ namespace: NAMESPACE });
const isMissed = ({ metadata: { name = "", resourceVersion } }: ConfigMap) =>
  informer.store.get(`${NAMESPACE}/${name}`)?.metadata.resourceVersion !== resourceVersion;
// The informer's watch may lag behind the last change.
for (let tries = 0; tries < 300 && items.some(isMissed); tries++) await pause(100);
const missedByInformer = items.filter(isMissed).map(({ metadata }) => metadata.name ?? "");
print({ objects: items.length, missedByInformer });
await informers.close();
client.close();
process.exit(0);
