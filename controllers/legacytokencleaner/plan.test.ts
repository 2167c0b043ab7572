import type { Pod, Secret, ServiceAccount } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { planCleanUp } from "./plan.ts";

const DAY_MS = 24 * 3_600_000;
const NOW_MS = Date.parse("2026-06-15T12:00:00Z");
const PERIOD_MS = 30 * DAY_MS;
const LAST_USED = "kubernetes.io/legacy-token-last-used";
const INVALID = "kubernetes.io/legacy-token-invalid-since";

const account: ServiceAccount = {
  metadata: { namespace: "ns", name: "build", uid: "u1" },
  secrets: [{ name: "t" }],
};

interface Shape {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  created?: string;
  name?: string;
  deletionTimestamp?: string;
}

function token(shape: Shape = {}): Secret {
  const { labels = {}, annotations = {}, created, name = "t", ...rest } = shape;
  return {
    metadata: {
      namespace: "ns",
      name,
      labels,
      creationTimestamp: created ?? "2026-01-01T00:00:00Z",
      ...rest,
      annotations: { "kubernetes.io/service-account.name": "build", ...annotations },
    },
    type: "kubernetes.io/service-account-token",
  };
}

function fate(secret: Secret, change: { pods?: Pod[]; trackedSince?: string | undefined } = {}) {
  const plan = planCleanUp({
    secrets: [secret],
    accountOf: (namespace, name) => (namespace === "ns" && name === "build" ? account : undefined),
    podsIn: () => change.pods ?? [],
    trackedSince: "trackedSince" in change ? change.trackedSince : "2026-05-15",
    now_ms: NOW_MS,
    period_ms: PERIOD_MS,
  });
  if (plan.delete.length > 0) return "deleted";
  return plan.invalidate.length > 0 ? `invalid since ${plan.today}` : "kept";
}

const TODAY = "invalid since 2026-06-15";
const DELETED_AT = "2026-06-15T00:00:00Z";
const marked = { [INVALID]: "2026-05-15" };
const naming = (spec: Partial<NonNullable<Pod["spec"]>>): Pod => ({
  metadata: { namespace: "ns", name: "p" },
  spec: { containers: [], ...spec },
});
const env = { name: "A", valueFrom: { secretKeyRef: { name: "t", key: "token" } } };

test.each<[string, Secret, Parameters<typeof fate>[1], string]>([
  ["never used", token(), {}, TODAY],
  ["used long ago", token({ labels: { [LAST_USED]: "2026-05-15" } }), {}, TODAY],
  ["used within the period", token({ labels: { [LAST_USED]: "2026-05-16" } }), {}, "kept"],
  ["used at no date", token({ labels: { [LAST_USED]: "lately" } }), {}, "kept"],
  ["made within the period", token({ created: "2026-05-16T12:00:00Z" }), {}, "kept"],
  ["made just before it", token({ created: "2026-05-16T11:59:59Z" }), {}, TODAY],
  ["marked long ago", token({ labels: marked }), {}, "deleted"],
  ["marked within the period", token({ labels: { [INVALID]: "2026-05-16" } }), {}, "kept"],
  ["marked at no date", token({ labels: { [INVALID]: "x" } }), {}, TODAY],
  [
    "marked and used since",
    token({ labels: { ...marked, [LAST_USED]: "2026-06-01" } }),
    {},
    "kept",
  ],
  ["being deleted", token({ labels: marked, deletionTimestamp: DELETED_AT }), {}, "kept"],
  ["made by hand", token({ name: "mine", labels: marked }), {}, "kept"],
  [
    "of an account that is gone",
    token({ annotations: { "kubernetes.io/service-account.name": "x" } }),
    {},
    "kept",
  ],
  [
    "of an account of that name before",
    token({ annotations: { "kubernetes.io/service-account.uid": "u0" } }),
    {},
    "kept",
  ],
  [
    "mounted",
    token({ labels: marked }),
    { pods: [naming({ volumes: [{ name: "v", secret: { secretName: "t" } }] })] },
    "kept",
  ],
  [
    "in a pod's environment",
    token({ labels: marked }),
    { pods: [naming({ initContainers: [{ name: "c", env: [env] }] })] },
    "kept",
  ],
  ["uses noted for less than the period", token(), { trackedSince: "2026-05-16" }, "kept"],
  ["uses not noted", token(), { trackedSince: undefined }, "kept"],
])("a token %s", (_name, secret, change, wanted) => {
  expect(fate(secret, change)).toBe(wanted);
});
