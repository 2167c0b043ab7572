import {
  CONFIG_MAPS,
  JOBS,
  NAMESPACES,
  PODS,
  SERVICE_ACCOUNTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { fileControlPlane, isGone } from "./file-control-plane.ts";

const namespace = "default";
const plane = fileControlPlane([]);
const { eventually } = plane;

test("a namespace's pods go first: what guards them stays until the last is gone", async () => {
  const namespaces = plane.admin.resource(NAMESPACES);
  const maps = plane.admin.resource(CONFIG_MAPS);
  const pods = plane.admin.resource(PODS);
  const team = "ordered";
  await namespaces.create({ metadata: { name: team }, spec: {} });
  await maps.create({ metadata: { namespace: team, name: "guard" } });
  const accounts = plane.admin.resource(SERVICE_ACCOUNTS);
  await eventually("the account", () => accounts.get({ namespace: team, name: "default" }));
  await pods.create({
    metadata: { namespace: team, name: "slow", finalizers: ["example.com/hold"] },
    spec: { containers: [{ name: "c", image: "web:1" }] },
  });
  await namespaces.delete({ name: team });
  const remaining = await eventually("the condition", async () => {
    const { status } = await namespaces.get({ name: team });
    const condition = status?.conditions?.find(({ type }) => type === "NamespaceContentRemaining");
    return condition?.status === "True" ? condition : undefined;
  });
  expect(remaining.message).toBe("Some resources are remaining: pods. has 1 resource instances");
  expect(
    (await maps.get({ namespace: team, name: "guard" })).metadata.deletionTimestamp,
  ).toBeUndefined();
  await pods.patch({ namespace: team, name: "slow" }, "merge", { metadata: { finalizers: [] } });
  await eventually("the end of the namespace", () => isGone(() => namespaces.get({ name: team })));
});

test("a namespace ends with pods of an index that a next pod would take the count from", async () => {
  const namespaces = plane.admin.resource(NAMESPACES);
  const pods = plane.admin.resource(PODS);
  const team = "indexed";
  await namespaces.create({ metadata: { name: team }, spec: {} });
  const accounts = plane.admin.resource(SERVICE_ACCOUNTS);
  await eventually("the account", () => accounts.get({ namespace: team, name: "default" }));
  const containers = [{ name: "c", image: "web:1" }];
  await plane.admin
    .resource(JOBS)
    .create({
      metadata: { namespace: team, name: "job" },
      spec: {
        ...{ completionMode: "Indexed", completions: 2, parallelism: 2, backoffLimitPerIndex: 1 },
        template: { spec: { restartPolicy: "Never", containers } },
      },
    });
  await eventually("its pods", async () => {
    return (await pods.list({ namespace: team })).items.length === 2;
  });
  await namespaces.delete({ name: team });
  await eventually("the end of the namespace", () => isGone(() => namespaces.get({ name: team })));
});

test("a circle of owners that is deleted in the foreground goes", async () => {
  const maps = plane.admin.resource(CONFIG_MAPS);
  const names = ["ring-a", "ring-b", "ring-c"];
  const made = [];
  for (const name of names) made.push(await maps.create({ metadata: { namespace, name } }));
  for (const [index, name] of names.entries()) {
    const { metadata } = made[(index + 1) % made.length]!;
    const owner = { apiVersion: "v1", kind: "ConfigMap", name: metadata.name, uid: metadata.uid };
    const ownerReferences = [{ ...owner, blockOwnerDeletion: true }];
    await maps.patch({ namespace, name }, "merge", { metadata: { ownerReferences } });
  }
  await maps.delete({ namespace, name: "ring-a" }, { propagationPolicy: "Foreground" });
  for (const name of names) {
    await eventually(`the end of ${name}`, () => isGone(() => maps.get({ namespace, name })));
  }
});
