// Runs where the API server is reached: `load.ts KUBECONFIG`. A line of standard input is a Load;
// the answer is a line when all pods are Ready, and after another line one when all are gone.
import { createInterface } from "node:readline";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { systemClock } from "@raft2kube/std/clock.ts";

const TIMEOUT_MS = 300_000;
const LABEL = { app: "bench-node" };
const SELECTED = { namespace: "default", labelSelector: "app=bench-node" };

/** Pods that are created at the same time on a node. */
export type Load = { readonly node: string; readonly pods: number; readonly image: string };

const client = new KubeClient({
  ...(await kubeConnection(process.argv[2]!)),
  clock: systemClock(),
  qps: 1e4,
  burst: 1e4,
});
const pods = client.resource(PODS);
const lines = createInterface(process.stdin)[Symbol.asyncIterator]();

const isReady = ({ status }: Pod) =>
  status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;

/** Creates pods, and deletes them when all are Ready; prints the times from the first call on. */
async function run({ node, pods: count, image }: Load): Promise<void> {
  const { metadata } = await pods.list({ ...SELECTED, limit: 1 });
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const watch = pods.watch({ ...SELECTED, resourceVersion: metadata.resourceVersion, signal });
  const all = Array.from({ length: count }, (_, n) => ({
    metadata: { namespace: "default", name: `${node}-${n}`, labels: LABEL },
    spec: { nodeName: node, containers: [{ name: "main", image }] },
  }));
  let start_ms = performance.now();
  const since_ms = () => Math.round((performance.now() - start_ms) * 10) / 10;
  const created = Promise.all(all.map((pod) => pods.create(pod as Pod)));
  const ready = new Set<string>();
  let gone = 0;
  for await (const { type, object } of watch) {
    if (type === "DELETED" && ++gone === count) break;
    if (type === "DELETED" || !isReady(object) || ready.has(object.metadata.name!)) continue;
    ready.add(object.metadata.name!);
    if (ready.size < count) continue;
    await created;
    process.stdout.write(`${since_ms()}\n`);
    await lines.next();
    start_ms = performance.now();
    for (const { metadata } of all) void pods.delete(metadata);
  }
  if (gone < count) throw new Error(`${node}: ${ready.size} of ${count} pods Ready, ${gone} gone`);
  process.stdout.write(`${since_ms()}\n`);
}

for (let line = await lines.next(); !line.done; line = await lines.next()) {
  await run(JSON.parse(line.value) as Load);
}
client.close();
