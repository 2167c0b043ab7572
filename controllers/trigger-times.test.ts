import type { Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { TriggerTimes, withTriggerTime } from "./trigger-times.ts";

const CREATED = "2026-01-01T00:00:00Z";
const service: Service = { metadata: { name: "web", creationTimestamp: CREATED }, spec: {} };

const podOf = (name: string, second: number): Pod => ({
  metadata: { name },
  spec: { containers: [] },
  status: { conditions: [{ type: "Ready", status: "True", lastTransitionTime: at(second) }] },
});
const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;

test("the time is the Service's first, then that of the earliest change since the last sync", () => {
  const times = new TriggerTimes();
  const next = (...pods: Pod[]) => times.next("n/web", service, pods);
  expect(next(podOf("a", 5))).toBe(CREATED);
  expect(next(podOf("a", 5))).toBeUndefined();
  expect(next(podOf("a", 9), podOf("b", 8), podOf("c", 7))).toBe(at(7));
  expect(next(podOf("a", 9), podOf("b", 10), podOf("c", 7))).toBe(at(10));
  // One that goes has no time of its own.
  expect(next(podOf("a", 9))).toBeUndefined();
  times.forget("n/web");
  expect(next(podOf("a", 9))).toBe(CREATED);
});

test("metadata has the time of the last change, or none", () => {
  const annotation = "endpoints.kubernetes.io/last-change-trigger-time";
  const kept = { name: "web-1", annotations: { own: "1" } };
  const changed = withTriggerTime(kept, at(7));
  expect(changed.annotations).toEqual({ own: "1", [annotation]: at(7) });
  expect(withTriggerTime(changed, undefined)).toEqual(kept);
});
