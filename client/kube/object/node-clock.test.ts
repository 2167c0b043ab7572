import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { skewsOf, skewText } from "./node-clock.ts";

const at = (s: number) => new Date(Date.UTC(2026, 0, 1) + s * 1_000).toISOString();
const write = (type: string, time: string, field = "f:lastHeartbeatTime") => ({
  time,
  fieldsV1: { "f:status": { "f:conditions": { [`k:{"type":"${type}"}`]: { [field]: {} } } } },
});
const node = (name: string, heartbeat: string | undefined, ...managedFields: object[]) =>
  ({
    metadata: { name, managedFields },
    status: { conditions: [{ type: "Ready", lastHeartbeatTime: heartbeat }] },
  }) as Node;

test("a node's heartbeat beside the API server's time of its write shows how clocks differ", () => {
  const skews = skewsOf([
    // Other writers' times, which are not of the heartbeat, do not count.
    node("ahead", at(125), write("Ready", at(900), "f:status"), write("Ready", at(0))),
    node("behind", at(0), write("Ready", at(7_200)), write("NetworkUnavailable", at(0))),
    node("slow", at(0), write("Ready", at(4))),
    node("elsewhere", at(0), { time: at(900) }),
    node("silent", undefined, write("Ready", at(900))),
  ]);
  expect(["ahead", "behind"].map((name) => skewText(skews, name))).toEqual([
    "the clock of ahead is 2m5s ahead of the API server's",
    "the clock of behind is 120m behind the API server's",
  ]);
  expect([...skews.keys()]).toEqual(["ahead", "behind"]);
});
