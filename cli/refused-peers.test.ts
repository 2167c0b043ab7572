import { RECURRING_MS } from "@raft2kube/observe/limits.ts";
import type { LogFields } from "@raft2kube/observe/log.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { refusedPeers } from "./refused-peers.ts";

test("of many refusals each side and reason is logged, and again after a time", () => {
  const clock = new ManualClock();
  const lines: unknown[] = [];
  const warn = (message: string, fields?: LogFields) => {
    lines.push([message.split(" ").at(2), fields!["reason"], fields!["name"], fields!["times"]]);
    expect(fields!["remedy"]).toContain("P-256");
  };
  const onRefused = refusedPeers({ warn }, clock);
  for (let i = 0; i < 2_000; i++) onRefused({ peer: "client", reason: "a" });
  onRefused({ peer: "server", reason: "a", name: "registry.test" });
  onRefused({ peer: "client", reason: "b" });
  clock.advance(RECURRING_MS);
  onRefused({ peer: "client", reason: "a" });
  expect(lines).toEqual([
    ["client", "a", undefined, 1],
    ["server", "a", "registry.test", 1],
    ["client", "b", undefined, 1],
    ["client", "a", undefined, 2_000],
  ]);
});
