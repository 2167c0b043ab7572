import type { Pod, PodSpec, ResourceQuota } from "@raft2kube/api/gen/core/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { follow } from "./resourcequota.ts";

const containers = [{ name: "c" }];

test("what a pod uses is asked only where there is a quota", () => {
  const pods = Object.assign(new InformerCopy<Pod>(), { synced: Promise.resolve() });
  const asked: string[] = [];
  const counted: string[] = [];
  const quota: ResourceQuota = { metadata: { name: "q", namespace: "limited" }, spec: {} };
  follow(pods, PODS).onRelease(
    ({ metadata }) => (metadata.namespace === "limited" ? [quota] : []),
    (each) => void counted.push(keyOf(each)),
    { now: () => 0 },
  );
  const show = (namespace: string, resourceVersion: string, cpu: string) => {
    const resources = { requests: { cpu } };
    const object: Pod = {
      metadata: { name: "p", namespace, resourceVersion },
      get spec(): PodSpec {
        asked.push(namespace);
        return { containers: containers.map((each) => ({ ...each, resources })) };
      },
    };
    pods.apply({ type: "MODIFIED", object });
  };
  show("limited", "1", "2");
  show("limited", "2", "2");
  expect(counted).toEqual([]);
  show("limited", "3", "1");
  expect(counted).toEqual(["limited/q"]);
  show("free", "1", "2");
  show("free", "2", "1");
  expect(new Set(asked)).toEqual(new Set(["limited"]));
});

test("a pod's quotas are counted again when it enters a scope, and when it is deleted", () => {
  const pods = Object.assign(new InformerCopy<Pod>(), { synced: Promise.resolve() });
  const counted: string[] = [];
  const quotas = (["Terminating", "NotTerminating"] as const).map((scope) => ({
    metadata: { name: scope },
    spec: { scopes: [scope] },
  }));
  follow(pods, PODS).onRelease(
    () => quotas,
    ({ metadata }) => void counted.push(metadata.name!),
    { now: () => 0 },
  );
  const show = (metadata: Pod["metadata"], spec: object = {}) => {
    const object: Pod = { metadata: { name: "p", ...metadata }, spec: { containers, ...spec } };
    pods.apply({ type: "MODIFIED", object });
  };
  show({ resourceVersion: "1" });
  show({ resourceVersion: "2" });
  expect(counted).toEqual([]);
  show({ resourceVersion: "3" }, { activeDeadlineSeconds: 5 });
  expect(counted.splice(0)).toEqual(["Terminating", "NotTerminating"]);
  const deletionTimestamp = "2026-01-02T03:04:05Z";
  const going = { deletionTimestamp, deletionGracePeriodSeconds: 30 };
  show({ resourceVersion: "4", ...going }, { activeDeadlineSeconds: 5 });
  expect(counted).toEqual(["Terminating", "NotTerminating"]);
});
