import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  STORAGE_CLASSES,
  VOLUME_ATTRIBUTES_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { fileControlPlane, isGone } from "./file-control-plane.ts";

const plane = fileControlPlane(["n1", "n2"]);
const { eventually } = plane;
const namespace = "default";

function claim(name: string, storageClassName: string): PersistentVolumeClaim {
  return {
    metadata: { namespace, name },
    spec: {
      storageClassName,
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "1Gi" } },
    },
  };
}

function volume(name: string, storageClassName: string, node?: string): PersistentVolume {
  const made: PersistentVolume = {
    metadata: { name },
    spec: {
      storageClassName,
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      hostPath: { path: `/srv/${name}` },
    },
  };
  if (node !== undefined) {
    const here = { key: "kubernetes.io/hostname", operator: "In" as const, values: [node] };
    const required = { nodeSelectorTerms: [{ matchExpressions: [here] }] };
    made.spec.nodeAffinity = { required };
  }
  return made;
}

function podWith(name: string, claimName: string): Pod {
  return {
    metadata: { namespace, name },
    spec: {
      containers: [{ name: "c", image: "web:1" }],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
    },
  };
}

/** Waits until the scheduler says this of a pod; what it said before it knew all may be another. */
async function refusal(name: string, message: string): Promise<void> {
  await eventually(`the reason why ${name} waits`, async () => {
    const { status } = await plane.admin.resource(PODS).get({ namespace, name });
    expect(status?.conditions?.find(({ reason }) => reason === "Unschedulable")?.message).toBe(
      message,
    );
    return true;
  });
}

test("a claim finds its volume, is kept while a pod uses it, and releases it", async () => {
  const claims = plane.admin.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumes = plane.admin.resource(PERSISTENT_VOLUMES);
  const pods = plane.admin.resource(PODS);
  await pods.create(podWith("user", "data"));
  await refusal(
    "user",
    '0/2 nodes are available: persistentvolumeclaim "data" not found. ' +
      "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
  );
  await claims.create(claim("data", ""));
  await volumes.create(volume("v1", ""));
  await eventually("the claim to be bound", async () => {
    const { status, spec } = await claims.get({ namespace, name: "data" });
    return status?.phase === "Bound" && spec.volumeName === "v1";
  });
  await eventually("the pod to run", async () => {
    return (await pods.get({ namespace, name: "user" })).status?.phase === "Running";
  });
  await claims.delete({ namespace, name: "data" });
  const held = await claims.get({ namespace, name: "data" });
  expect(held.metadata.deletionTimestamp).toBeDefined();
  await pods.delete({ namespace, name: "user" });
  await eventually("the claim to be gone", () =>
    isGone(() => claims.get({ namespace, name: "data" })),
  );
  await eventually("the volume to be released", async () => {
    return (await volumes.get({ name: "v1" })).status?.phase === "Released";
  });
});

test("a class that waits for its first consumer binds where the pod can go", async () => {
  const claims = plane.admin.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumes = plane.admin.resource(PERSISTENT_VOLUMES);
  const pods = plane.admin.resource(PODS);
  await plane.admin
    .resource(STORAGE_CLASSES)
    .create({
      metadata: { name: "local" },
      provisioner: "kubernetes.io/no-provisioner",
      volumeBindingMode: "WaitForFirstConsumer",
    });
  await volumes.create(volume("on-n2", "local", "n2"));
  await claims.create(claim("late", "local"));
  await claims.create(claim("later", "local"));
  await pods.create(podWith("first", "late"));
  const placed = await eventually("the pod's node", async () => {
    const pod = await pods.get({ namespace, name: "first" });
    return pod.spec.nodeName ? pod : undefined;
  });
  expect(placed.spec.nodeName).toBe("n2");
  const bound = await claims.get({ namespace, name: "late" });
  expect(bound.spec.volumeName).toBe("on-n2");
  await pods.create(podWith("second", "later"));
  await refusal(
    "second",
    "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind. " +
      "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
  );
  await volumes.create(volume("on-n1", "local", "n1"));
  await eventually("the other to run", async () => {
    const { spec, status } = await pods.get({ namespace, name: "second" });
    return spec.nodeName === "n1" && status?.phase === "Running";
  });
});

test("claims of a dynamic class name their provisioner, and the node when known", async () => {
  const claims = plane.admin.resource(PERSISTENT_VOLUME_CLAIMS);
  const classes = plane.admin.resource(STORAGE_CLASSES);
  const pods = plane.admin.resource(PODS);
  const provisioner = "csi.example.com";
  await classes.create({ metadata: { name: "now" }, provisioner });
  await classes.create({
    metadata: { name: "then" },
    provisioner,
    volumeBindingMode: "WaitForFirstConsumer",
  });
  const asked = (name: string) =>
    eventually(`the annotations of ${name}`, async () => {
      const { annotations } = (await claims.get({ namespace, name })).metadata;
      return annotations?.["volume.kubernetes.io/storage-provisioner"] ? annotations : undefined;
    });
  await claims.create(claim("now", "now"));
  expect((await asked("now"))["volume.kubernetes.io/selected-node"]).toBeUndefined();
  await claims.create(claim("then", "then"));
  await pods.create(podWith("dynamic", "then"));
  expect((await asked("then"))["volume.kubernetes.io/selected-node"]).toMatch(/^n[12]$/);
  expect((await pods.get({ namespace, name: "dynamic" })).spec.nodeName).toBeUndefined();
});

test("a class of attributes is kept while a claim names it", async () => {
  const claims = plane.admin.resource(PERSISTENT_VOLUME_CLAIMS);
  const classes = plane.admin.resource(VOLUME_ATTRIBUTES_CLASSES);
  const gold = { driverName: "csi.example.com", parameters: { iops: "500" } };
  for (const name of ["gold", "unused"]) await classes.create({ metadata: { name }, ...gold });
  const wanting = claim("golden", "none");
  wanting.spec.volumeAttributesClassName = "gold";
  await claims.create(wanting);
  for (const name of ["gold", "unused"]) await classes.delete({ name });
  await eventually(
    "the unused class to be gone",
    async () => (await classes.listAll({})).items.length === 1,
  );
  const kept = await classes.get({ name: "gold" });
  expect(kept.metadata.finalizers).toEqual(["kubernetes.io/vac-protection"]);
  await claims.delete({ namespace, name: "golden" });
  await eventually(
    "the other to be gone",
    async () => (await classes.listAll({})).items.length === 0,
  );
});

test("a volume that is deleted before its claim goes with it", async () => {
  const claims = plane.admin.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumes = plane.admin.resource(PERSISTENT_VOLUMES);
  await volumes.create(volume("early", "early"));
  await claims.create(claim("last", "early"));
  await eventually("both to be bound", async () => {
    const { status } = await claims.get({ namespace, name: "last" });
    return status?.phase === "Bound";
  });
  await volumes.delete({ name: "early" });
  expect((await volumes.get({ name: "early" })).status?.phase).toBe("Bound");
  await claims.delete({ namespace, name: "last" });
  await eventually("the volume to be gone", () => isGone(() => volumes.get({ name: "early" })));
});

test("a claim that goes before it names its volume releases it", async () => {
  const claims = plane.admin.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumes = plane.admin.resource(PERSISTENT_VOLUMES);
  const { metadata } = await claims.create(claim("brief", "reserved"));
  // Reserved for the claim, which does not take it: as between two of the binder's writes.
  const reserved = volume("reserved", "another");
  reserved.spec.claimRef = { namespace, name: "brief", uid: metadata.uid ?? "" };
  await volumes.create(reserved);
  await eventually("the volume's protection", async () => {
    return (await volumes.get({ name: "reserved" })).metadata.finalizers?.length;
  });
  await claims.delete({ namespace, name: "brief" });
  await eventually("the volume to be released", async () => {
    return (await volumes.get({ name: "reserved" })).status?.phase === "Released";
  });
});
