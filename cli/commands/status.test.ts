import { expect, test } from "vitest";
import { describe, type Status } from "./status.ts";

const UP: Status = {
  name: "one",
  processes: [
    { name: "control", pid: 11, pss_mib: 90 },
    { name: "node", pid: 12, pss_mib: 80 },
  ],
  api: "ready",
  nodes: [{ name: "one-host", ready: true }],
  pods: { running: 2, other: 0 },
};
const absent = (name: string) => ({ name, pid: null, pss_mib: null });

test("a cluster with all its processes and nodes is well", () => {
  expect(describe(UP)).toContain("cluster one: well");
});

test("a cluster that lacks a process, or whose node is not ready, is not well", () => {
  const halved = { ...UP, processes: [UP.processes[0]!, absent("node")] };
  expect(describe(halved)).toContain("cluster one: not well");
  const away = { ...UP, nodes: [{ name: "one-host", ready: false }] };
  expect(describe(away)).toContain("cluster one: not well");
});

test("a cluster that was taken down is stopped, not ill", () => {
  const down = { ...UP, processes: [absent("control"), absent("node")], api: "down", nodes: [] };
  expect(describe(down)).toContain("cluster one: stopped");
});
