import type { KubeObject } from "@raft2kube/api/kind.ts";
import { expect, it } from "vitest";
import type { CacheEvent } from "../../cache/event.ts";
import type { Resources } from "../../resource/resources.ts";
import { NodeGraph } from "./graph.ts";

/** A graph, and what gives it objects of each resource. */
async function startGraph() {
  const takers = new Map<string, (event: CacheEvent) => void>();
  const of = (_version: string, plural: string) => ({
    cache: () =>
      Promise.resolve({
        subscribe(take: (event: CacheEvent) => void) {
          takers.set(plural, take);
          return () => undefined;
        },
      }),
  });
  const graph = await NodeGraph.follow({ of } as unknown as Resources);
  const give = (plural: string, object: KubeObject, type: CacheEvent["type"] = "ADDED") => {
    const { namespace = "", name = "" } = object.metadata;
    const { nodeName } = (object as { spec?: { nodeName?: string } }).spec ?? {};
    const entry = {
      key: `${namespace}/${name}`,
      name,
      fields: { "spec.nodeName": nodeName ?? "" },
      object: () => object,
    };
    takers.get(plural)?.({
      type,
      entry,
      revision: 1,
      previous: undefined,
    } as unknown as CacheEvent);
  };
  return { graph, give };
}

const pod = (name: string, spec: object): KubeObject =>
  ({ metadata: { namespace: "a", name }, spec: { nodeName: "n1", ...spec } }) as KubeObject;

it("thousands of names in a tenant's pods cost no question about them anything", async () => {
  const { graph, give } = await startGraph();
  for (let i = 0; i < 20; i++) {
    const env = Array.from({ length: 5_000 }, (_, j) => ({
      name: "V",
      valueFrom: { configMapKeyRef: { name: `m${i}-${j}`, key: "k", optional: true } },
    }));
    give("pods", pod(`p${i}`, { containers: [{ name: "c", env }] }));
  }
  const from = process.cpuUsage();
  for (let i = 0; i < 2_000; i++) {
    expect(graph.reaches("n1", "configmaps", "a", `m19-${i}`)).toBe(true);
    expect(graph.reaches("n1", "secrets", "b", `s${i}`)).toBe(false);
  }
  expect(process.cpuUsage(from).user).toBeLessThan(2_000_000);
});

it("an object is reached as long as one of a node's pods or their volumes names it", async () => {
  const { graph, give } = await startGraph();
  const secret = () => graph.reaches("n1", "secrets", "kube-system", "key");
  const claim = { metadata: { namespace: "a", name: "c", uid: "u1" }, spec: { volumeName: "v" } };
  const volume = {
    metadata: { name: "v" },
    spec: {
      claimRef: { uid: "u1" },
      csi: { nodeStageSecretRef: { namespace: "kube-system", name: "key" } },
    },
  };
  const volumes = [{ name: "v", persistentVolumeClaim: { claimName: "c" } }];
  const [one, two] = [pod("one", { volumes }), pod("two", { volumes })];
  give("persistentvolumes", volume);
  give("persistentvolumeclaims", claim);
  expect(secret()).toBe(false);
  for (const each of [one, two]) give("pods", each);
  expect(secret()).toBe(true);
  expect(graph.reaches("n1", "persistentvolumes", "", "v")).toBe(true);
  give("pods", one, "DELETED");
  expect(secret()).toBe(true);
  give("pods", two, "DELETED");
  expect(secret()).toBe(false);
  give("pods", one);
  // Another claim of that name, which the volume does not name.
  give("persistentvolumeclaims", claim, "DELETED");
  expect(graph.hasClaim("u1")).toBe(false);
  give("persistentvolumeclaims", { ...claim, metadata: { ...claim.metadata, uid: "u2" } });
  expect(secret()).toBe(false);
  give("persistentvolumeclaims", claim, "MODIFIED");
  expect(secret()).toBe(true);
  give("persistentvolumes", volume, "DELETED");
  expect(secret()).toBe(false);
});
