import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf, controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import type { KubeRequest } from "@raft2kube/client-kube/rest/request.ts";
import { expect, test } from "vitest";
import { EXPECTATIONS_MS } from "../limits.ts";
import { loopContext } from "../testing/loop-context.ts";
import { podOf, setOf } from "../testing/objects.ts";
import { startReplicaSets } from "./replicaset.ts";

const owned = <T extends KubeObject>(object: T, owner: KubeObject, kind: string): T => {
  const ownerReferences = [controllerReference(owner, { apiVersion: "apps/v1", kind })];
  return { ...object, metadata: { ...object.metadata, labels: { app: "web" }, ownerReferences } };
};

/** Returns the requests for pods that the controller makes until each set has its status. */
async function changes(sets: KubeObject[], pods: Pod[]): Promise<string[]> {
  const requests: KubeRequest[] = [];
  const { context } = loopContext({ "replicasets.apps": sets, pods }, (request) => {
    requests.push(request);
    return request.body ?? sets[0];
  });
  const controller = startReplicaSets(context);
  const written = () => requests.filter(({ path }) => path.endsWith("/status"));
  await expect.poll(() => new Set(written().map(({ path }) => path)).size).toBe(sets.length);
  await controller.close();
  const ofPods = requests.filter(({ path }) => path.includes("/pods"));
  return [
    ...new Set(ofPods.map(({ method, path }) => `${method} ${path.split("/").at(-1) ?? ""}`)),
  ];
}

test("an orphan that has ended is not adopted", async () => {
  const lost = (name: string, phase: "Running" | "Failed") => {
    const pod = podOf(name, { phase });
    return { ...pod, metadata: { ...pod.metadata, labels: { app: "web" } } };
  };
  const pods = [lost("running", "Running"), lost("ended", "Failed")];
  const set = { ...setOf("new", 1), status: { replicas: 0 } };
  expect(await changes([set], pods)).toEqual(["PATCH running"]);
});

test("of two equal pods, the one beside a pod of a set of the same owner is deleted", async () => {
  const deployment = { metadata: { name: "web", namespace: "shop", uid: "web" } };
  const [older, newer] = [setOf("old", 1), setOf("new", 1)].map((set) =>
    owned(set, deployment, "Deployment"),
  );
  const stranger = setOf("stranger", 1);
  if (!older || !newer) throw new RangeError("two sets");
  const pods = [
    owned(podOf("alone", { node: "a", readyFor_s: 60 }), newer, "ReplicaSet"),
    owned(podOf("beside", { node: "b", readyFor_s: 60 }), newer, "ReplicaSet"),
    owned(podOf("of-old", { node: "b", readyFor_s: 60 }), older, "ReplicaSet"),
    ...["x", "y"].map((name) =>
      owned(podOf(name, { node: "a", readyFor_s: 60 }), stranger, "ReplicaSet"),
    ),
  ];
  expect(await changes([older, newer], pods)).toEqual(["DELETE beside"]);
});

test("a set that replaces one of its name awaits nothing of the old one's pods", async () => {
  const [old, successor] = ["old", "successor"].map((uid) => {
    const set = setOf("web", 3);
    return { ...set, metadata: { ...set.metadata, uid }, status: { replicas: 0 } };
  });
  if (!old || !successor) throw new RangeError("two sets");
  const { promise: replaced, resolve: answer } = Promise.withResolvers<void>();
  const created: Pod[] = [];
  const { context, copies } = loopContext(
    { "replicasets.apps": [old], pods: [] },
    async (asked) => {
      if (asked.method !== "POST") return asked.body ?? successor;
      created.push(asked.body as Pod);
      await replaced;
      return asked.body;
    },
  );
  const controller = startReplicaSets(context);
  await expect.poll(() => created).toHaveLength(1);
  copies.get("replicasets.apps")?.replace([]);
  copies.get("replicasets.apps")?.replace([successor]);
  answer();
  const owners = () => created.map((pod) => controllerOf(pod)?.uid);
  await expect.poll(() => owners().filter((uid) => uid === "successor")).toHaveLength(3);
  await controller.close();
});

test("pods whose creation is never shown are counted again after five minutes", async () => {
  const created: Pod[] = [];
  const set = { ...setOf("web", 2), status: { replicas: 0 } };
  const { context, clock } = loopContext({ "replicasets.apps": [set], pods: [] }, (asked) => {
    if (asked.method === "POST") created.push(asked.body as Pod);
    return asked.body ?? set;
  });
  const controller = startReplicaSets(context);
  await expect.poll(() => created).toHaveLength(2);
  await expect.poll(() => (clock.advance(EXPECTATIONS_MS), created)).toHaveLength(4);
  await controller.close();
});
