import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import type { KubeRequest } from "@raft2kube/client-kube/rest/request.ts";
import { expect, test, vi } from "vitest";
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
  await vi.waitFor(() => expect(new Set(written().map(({ path }) => path)).size).toBe(sets.length));
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
