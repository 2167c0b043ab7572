import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { type Condition, monitoredVolumes, planHealth } from "./health-plan.ts";

const volume = (name: string, phase = "Bound", driver = "d"): PersistentVolume => ({
  metadata: { name, uid: name },
  spec: { csi: { driver, volumeHandle: `h-${name}` }, claimRef: { namespace: "ns", name } },
  status: { phase: phase as "Bound" },
});
const owner = { driverName: "d", segments: undefined };
const said = (...conditions: [string, Condition][]) => new Map(conditions);
const bad = { abnormal: true, message: "the disk is gone" };
const good = { abnormal: false, message: "" };

test("only bound volumes of the driver are of interest", () => {
  const all = [volume("a"), volume("b", "Released"), volume("c", "Bound", "other")];
  expect([...monitoredVolumes(all, owner).keys()]).toEqual(["h-a"]);
});

test("an abnormal volume is an event each time, its recovery is one once", () => {
  const volumes = monitoredVolumes([volume("a"), volume("b")], owner);
  const abnormal = new Set<string>();
  const events = (...conditions: [string, Condition][]) =>
    planHealth(volumes, said(...conditions), abnormal).map(
      ({ volume: { metadata }, type, reason }) => `${metadata.name} ${type} ${reason}`,
    );
  expect(events(["h-a", good], ["h-b", good])).toEqual([]);
  expect(events(["h-a", bad], ["h-b", good])).toEqual(["a Warning VolumeConditionAbnormal"]);
  expect(events(["h-a", bad])).toEqual(["a Warning VolumeConditionAbnormal"]);
  expect(events(["h-b", good])).toEqual([]);
  expect(events(["h-a", good])).toEqual(["a Normal VolumeConditionNormal"]);
  expect(events(["h-a", good])).toEqual([]);
});

test("a volume that is deleted while it is abnormal is forgotten", () => {
  const abnormal = new Set<string>();
  planHealth(monitoredVolumes([volume("a")], owner), said(["h-a", bad]), abnormal);
  planHealth(monitoredVolumes([], owner), said(), abnormal);
  expect(abnormal.size).toBe(0);
});
