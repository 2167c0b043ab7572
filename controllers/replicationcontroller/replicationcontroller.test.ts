import type { ReplicationController } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { asReplicaSet, withStatus } from "./replicationcontroller.ts";

const controller: ReplicationController = {
  apiVersion: "v1",
  kind: "ReplicationController",
  metadata: { name: "web", namespace: "ns", uid: "u" },
  spec: { replicas: 2, minReadySeconds: 3, selector: { app: "web" } },
};

test("a ReplicationController's map of labels is a ReplicaSet's selector", () => {
  const set = asReplicaSet(controller);
  expect(set.spec).toEqual({
    replicas: 2,
    minReadySeconds: 3,
    selector: { matchLabels: { app: "web" } },
  });
  expect(set.metadata).toBe(controller.metadata);
});

test("its status has no terminating replicas, and its spec stays its own", () => {
  const status = { replicas: 2, readyReplicas: 1, terminatingReplicas: 1 };
  const after = withStatus(controller, status);
  expect(after.status).toEqual({ replicas: 2, readyReplicas: 1 });
  expect(after.spec).toBe(controller.spec);
});
