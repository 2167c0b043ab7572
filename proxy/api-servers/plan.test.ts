import { expect, test } from "vitest";
import type { Target } from "../plan/model.ts";
import { planServers, type ServerState } from "./plan.ts";

const servers: Target[] = ["a", "b", "c"].map((address) => ({ address, port: 6443 }));

/** The servers to use and to leave, by the states of a, b and c. */
function plan(...states: ServerState[]): [use: string, leave: string] {
  const { use, leave } = planServers(servers, (one) => states[servers.indexOf(one)]!);
  const names = (targets: readonly Target[]) => targets.map(({ address }) => address).join("");
  return [names(use), names(leave)];
}

test("connections go to servers that are ready; a silent one loses those that it has", () => {
  expect(plan("ready", "ready", "ready")).toEqual(["abc", ""]);
  expect(plan("ready", "silent", "ready")).toEqual(["ac", "b"]);
  expect(plan("unready", "ready", "unknown")).toEqual(["b", ""]);
});

test("a server that refuses connections gets none, and keeps those that it has", () => {
  expect(plan("ready", "refusing", "ready")).toEqual(["ac", ""]);
  expect(plan("refusing", "unready", "silent")).toEqual(["b", "c"]);
  expect(plan("refusing", "silent", "silent")).toEqual(["abc", ""]);
});

test("without a ready one a silent one gets no connection, unless none answers", () => {
  expect(plan("silent", "unready", "silent")).toEqual(["b", "ac"]);
  expect(plan("silent", "unready", "unknown")).toEqual(["bc", "a"]);
  expect(plan("silent", "silent", "silent")).toEqual(["abc", ""]);
});
