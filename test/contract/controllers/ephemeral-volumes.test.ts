import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { sharedWorld } from "./shared-world.ts";

const world = sharedWorld(["n1"]);
const { eventually } = world;
const namespace = "default";

const claims = () => world.admin.resource<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS);
const pods = () => world.admin.resource<Pod>(PODS);

const SPEC: PersistentVolumeClaim["spec"] = {
  storageClassName: "",
  accessModes: ["ReadWriteOnce"],
  resources: { requests: { storage: "1Gi" } },
};

function podWithEphemeral(name: string): Pod {
  const volumeClaimTemplate = { metadata: { labels: { kept: "no" } }, spec: SPEC };
  return {
    metadata: { namespace, name },
    spec: {
      containers: [{ name: "c", image: "web:1" }],
      volumes: [{ name: "scratch", ephemeral: { volumeClaimTemplate } }],
    },
  };
}

test("an ephemeral volume gets a claim of its own, which goes with the pod", async () => {
  await world.admin.resource<PersistentVolume>(PERSISTENT_VOLUMES).create({
    metadata: { name: "v1" },
    spec: {
      ...{ storageClassName: "", accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" } },
      hostPath: { path: "/srv/v1" },
    },
  });
  const { metadata } = await pods().create(podWithEphemeral("user"));
  await eventually("the pod to run", async () => {
    return (await pods().get({ namespace, name: "user" })).status?.phase === "Running";
  });
  const claim = await claims().get({ namespace, name: "user-scratch" });
  expect(claim.metadata.labels).toEqual({ kept: "no" });
  expect(claim.metadata.ownerReferences).toMatchObject([
    { kind: "Pod", uid: metadata.uid, controller: true, blockOwnerDeletion: true },
  ]);
  await pods().delete({ namespace, name: "user" }, { gracePeriodSeconds: 0 });
  await eventually("the claim to be gone", async () => {
    try {
      await claims().get({ namespace, name: "user-scratch" });
      return false;
    } catch (thrown) {
      if (isNotFound(thrown)) return true;
      throw thrown;
    }
  });
});

test("a claim of that name that is another's is left alone, and the pod says so", async () => {
  await claims().create({ metadata: { namespace, name: "other-scratch" }, spec: SPEC });
  await pods().create(podWithEphemeral("other"));
  const condition = await eventually("the reason", async () => {
    const { status } = await pods().get({ namespace, name: "other" });
    return status?.conditions?.find(({ message }) => message?.includes("not owner"));
  });
  expect(condition.message).toContain(
    'PVC "default/other-scratch" was not created for pod "default/other" (pod is not owner)');
  const claim = await claims().get({ namespace, name: "other-scratch" });
  expect(claim.metadata.ownerReferences).toBeUndefined();
});
