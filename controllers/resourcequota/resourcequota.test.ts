import type { Pod, PodSpec, ResourceQuota } from "@raft2kube/api/gen/core/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, onTestFinished, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { QUOTA_COUNT_MS, QUOTA_SETTLE_MS } from "../limits.ts";
import { loopContext } from "../testing/loop-context.ts";
import { follow, startResourceQuota } from "./resourcequota.ts";

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

const ENDED = {
  metadata: { name: "p", namespace: "n", resourceVersion: "1" },
  spec: { containers },
  status: { phase: "Failed" as const },
};
const SECRET = { kind: "Secret" };
const QUOTA = { name: "q", namespace: "n" };
const PLACE = "/api/v1/namespaces/n/resourcequotas/q/status";

/**
 * A quota of pods and Secrets, with a pod that has ended; `whileListed` is called in a list, and
 * `write` before each write of the status, which is refused with what that throws.
 */
function quotaBesides(
  whileListed: (shown: (revision: string, secrets: string) => void) => void,
  { write, isNew = false }: { write?: () => void; isNew?: boolean } = {},
) {
  const written: { revision: string | undefined; used: unknown }[] = [];
  let lists = 0;
  const hard = { pods: "1", secrets: "9" };
  const shown = (resourceVersion: string, secrets: string): ResourceQuota => ({
    metadata: { ...QUOTA, resourceVersion },
    spec: { hard },
    ...(isNew ? {} : { status: { hard, used: { pods: "1", secrets } } }),
  });
  const objects = { resourcequotas: [shown("1", "2")], pods: [ENDED] };
  const { context, clock, copies } = loopContext(objects, ({ method, path, body }) => {
    if (path === PLACE) {
      write?.();
      const { metadata, status } = body as ResourceQuota;
      written.push({ revision: metadata.resourceVersion, used: status?.used });
      copies.get("resourcequotas")!.apply({ type: "MODIFIED", object: body as ResourceQuota });
      return body;
    }
    if (method === "GET" && path.includes("secrets")) {
      lists++;
      whileListed((revision, secrets) =>
        copies.get("resourcequotas")!.apply({ type: "MODIFIED", object: shown(revision, secrets) }),
      );
      return { metadata: {}, items: [{ metadata: { name: "a" } }, { metadata: { name: "b" } }] };
    }
    const resources = [
      { resource: "secrets", scope: "Namespaced", responseKind: SECRET, verbs: [] },
    ];
    return path === "/api" ? { items: [{ versions: [{ version: "v1", resources }] }] } : {};
  });
  const loop = startResourceQuota(context);
  onTestFinished(() => loop.close());
  return { clock, copies, written, lists: () => lists };
}

const real = { timeout_ms: 10_000 };

test("a quota that admission writes while its kinds are listed is counted regardless", async () => {
  const { written } = quotaBesides((shown) => shown("2", "5"));
  await waitFor("a count", () => written.length > 0, real);
  // Three were charged for in the meantime, and may be missing in the list.
  expect(written).toEqual([{ revision: "2", used: { pods: "0", secrets: "5" } }]);
});

test("kinds are listed from time to time, not at each change of a pod", async () => {
  const { clock, copies, written, lists } = quotaBesides(() => undefined);
  await waitFor("a count", () => written.length === 1, real);
  expect(lists()).toBe(1);
  const metadata = { name: "new", namespace: "n", resourceVersion: "7" };
  const runs = { metadata, spec: { containers }, status: { phase: "Running" } };
  const pods = copies.get("pods")!;
  pods.apply({ type: "ADDED", object: runs as Pod });
  pods.apply({ type: "DELETED", object: ENDED });
  await waitFor("the next count", () => written.length === 2, real);
  expect(written[1]!.used).toEqual({ pods: "1", secrets: "2" });
  expect(lists()).toBe(1);
  clock.advance(QUOTA_COUNT_MS);
  await waitFor("the next list", () => lists() === 2, real);
});

test("a count whose write is refused is made by lists again", async () => {
  let refused = 0;
  const write = () => {
    if (refused++ === 0) throw new Error("outdated");
  };
  const { clock, written } = quotaBesides((shown) => shown("2", "7"), { write });
  await waitFor("the refusal", () => refused > 0, real);
  const count = () => clock.advance(QUOTA_SETTLE_MS) ?? written.length > 0;
  await waitFor("a count", count, real);
  expect(written).toEqual([{ revision: "2", used: { pods: "0", secrets: "2" } }]);
});

test.each([
  { which: "its first count", isNew: true, listed: 2 },
  { which: "a count that lowered what admission had charged", isNew: false, listed: 1 },
])("a quota is counted again after $which, for missed objects", async ({ isNew, listed }) => {
  const { clock, copies, written, lists } = quotaBesides(() => undefined, { isNew });
  await waitFor("the first count", () => written.length === 1, real);
  expect(written[0]!.used).toEqual({ pods: "0", secrets: "2" });
  const runs = { metadata: { ...ENDED.metadata, name: "missed" }, spec: { containers } };
  copies.get("pods")!.apply({ type: "ADDED", object: runs as Pod });
  clock.advance(QUOTA_SETTLE_MS);
  await waitFor("the second count", () => written.length === 2, real);
  expect(written[1]!.used).toEqual({ pods: "1", secrets: "2" });
  expect(lists()).toBe(listed);
});
