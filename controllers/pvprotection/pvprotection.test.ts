import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { KubeRequest } from "@raft2kube/client-kube/rest/request.ts";
import { QUEUE_BACKOFF_MS } from "@raft2kube/reconcile/limits.ts";
import { expect, test } from "vitest";
import { CLAIMS_OF_TURN_MAX } from "../limits.ts";
import { loopContext } from "../testing/loop-context.ts";
import { NOW_MS, podOf } from "../testing/objects.ts";
import { startClaimProtection } from "./pvprotection.ts";

const deletedClaim = (name: string): PersistentVolumeClaim => ({
  metadata: {
    ...{ namespace: "shop", name, uid: name, finalizers: ["kubernetes.io/pvc-protection"] },
    deletionTimestamp: timeText(NOW_MS),
  },
  spec: {},
});
const CLAIMS = Array.from({ length: 20 }, (_, i) => deletedClaim(`c${i}`));

/** The claims' protection, over a server that has `pods`; what it asks, and which claims it frees. */
function protection(
  pods: ReturnType<typeof podOf>[],
  refuse?: (request: KubeRequest) => boolean,
  claims = CLAIMS,
) {
  const lists: string[] = [];
  const freed = new Set<string>();
  const { context, clock } = loopContext({ persistentvolumeclaims: claims, pods: [] }, (asked) => {
    if (refuse?.(asked)) throw new KubeError({ code: 500 });
    const { method, path } = asked;
    if (method !== "GET") return void freed.add(path.split("/").at(-1)!);
    lists.push(path);
    return { metadata: {}, items: pods };
  });
  return { lists, freed, clock, running: startClaimProtection(context) };
}

test("claims of a namespace that are deleted together share one list of its pods", async () => {
  const late = podOf("late", { node: "n" });
  late.spec.volumes = [{ name: "v", persistentVolumeClaim: { claimName: "c7" } }];
  const { lists, freed, running } = protection([late]);
  await expect.poll(() => freed.size).toBe(19);
  expect(freed).not.toContain("c7");
  expect(lists).toHaveLength(1);
  await running.close();
});

test("a claim that cannot be written is tried again, others do not wait for it", async () => {
  let refusals = 2;
  const { freed, clock, running } = protection(
    [],
    ({ path }) => path.endsWith("/c0") && refusals-- > 0,
  );
  await expect.poll(() => freed.size).toBe(19);
  await expect.poll(() => (clock.advance(QUEUE_BACKOFF_MS), freed)).toContain("c0");
  await running.close();
});

test("claims of a namespace that has many leave turns to those of others", async () => {
  const many = Array.from({ length: 2 * CLAIMS_OF_TURN_MAX + 1 }, (_, i) => deletedClaim(`c${i}`));
  const { metadata, ...rest } = deletedClaim("other");
  const other = { ...rest, metadata: { ...metadata, namespace: "else" } };
  const { freed, running } = protection([], undefined, [...many, other]);
  await expect.poll(() => freed.size).toBe(many.length + 1);
  expect([...freed].indexOf("other")).toBeLessThanOrEqual(2 * CLAIMS_OF_TURN_MAX);
  await running.close();
});
