import { expect, test } from "vitest";
import { UNMOUNT_WAIT_MS } from "../limits.ts";
import { type NodeVolume, planVolume, type Step } from "./plan.ts";

const IDLE: Omit<NodeVolume, "node"> = {
  wanted: false,
  attachment: "none",
  listed: false,
  inUse: false,
  ready: true,
  outOfService: false,
  unwanted_ms: 0,
};
const on = (node: string, facts: Partial<NodeVolume>): NodeVolume => ({ ...IDLE, node, ...facts });
const ATTACHED = { attachment: "attached", listed: true } as const;
const MOUNTED = { ...ATTACHED, inUse: true };
const lost = { ready: false, unwanted_ms: UNMOUNT_WAIT_MS };
const detach = (force?: "timeout" | "out-of-service"): Step => ({ do: "detach", node: "a", force });

const ONE_NODE: [string, Partial<NodeVolume>, Step | undefined][] = [
  ["wanted, not attached", { wanted: true }, { do: "attach", node: "a" }],
  ["wanted, attaching", { wanted: true, attachment: "pending" }, undefined],
  ["wanted, attached", { wanted: true, attachment: "attached" }, { do: "report", node: "a" }],
  ["wanted, attached, listed", { wanted: true, ...ATTACHED }, undefined],
  ["wanted, detaching", { wanted: true, attachment: "deleting" }, undefined],
  ["listed without attachment", { listed: true }, { do: "withdraw", node: "a" }],
  [
    "wanted, listed without attachment",
    { wanted: true, listed: true },
    { do: "withdraw", node: "a" },
  ],
  [
    "wanted, listed before it is attached",
    { wanted: true, attachment: "pending", listed: true },
    { do: "withdraw", node: "a" },
  ],
  [
    "listed while its attachment is deleted",
    { attachment: "deleting", listed: true },
    { do: "withdraw", node: "a" },
  ],
  [
    "wanted, listed while its attachment is deleted",
    { wanted: true, attachment: "deleting", listed: true },
    { do: "withdraw", node: "a" },
  ],
  ["not wanted, attached", ATTACHED, detach()],
  ["not wanted, uncertain", { attachment: "pending" }, detach()],
  ["not wanted, mounted", MOUNTED, undefined],
  [
    "not wanted, mounted long ago on a ready node",
    { ...MOUNTED, unwanted_ms: UNMOUNT_WAIT_MS },
    undefined,
  ],
  ["not wanted, mounted on a lost node", { ...MOUNTED, ...lost }, detach("timeout")],
  ["wanted, mounted on a lost node", { ...MOUNTED, ...lost, wanted: true }, undefined],
  [
    "not wanted, mounted on a node out of service",
    { ...MOUNTED, outOfService: true },
    detach("out-of-service"),
  ],
  ["nothing", {}, undefined],
];

test.each(ONE_NODE)("%s", (_what, facts, step) => {
  for (const multiAttach of [true, false]) {
    expect(planVolume([on("a", facts)], multiAttach).steps).toEqual(step ? [step] : []);
  }
});

test("a lost node's mounted volume is looked at again when its time is over", () => {
  const plan = planVolume([on("a", { ...MOUNTED, ready: false, unwanted_ms: 1_000 })], false);
  expect(plan).toEqual({ steps: [], again_ms: UNMOUNT_WAIT_MS - 1_000 });
});

test.each(["pending", "attached", "deleting"] as const)(
  "a volume for one node whose attachment elsewhere is %s is refused",
  (attachment) => {
    const nodes = [on("a", { wanted: true, attachment }), on("b", { wanted: true })];
    const steps = planVolume(nodes, false).steps.filter(({ node }) => node === "b");
    expect(steps).toEqual([{ do: "refuse", node: "b", others: ["a"] }]);
    expect(planVolume(nodes, true).steps).toContainEqual({ do: "attach", node: "b" });
  },
);

test("of two nodes that want a volume for one node, one gets it", () => {
  const nodes = [on("a", { wanted: true }), on("b", { wanted: true })];
  expect(planVolume(nodes, false).steps).toEqual([
    { do: "attach", node: "a" },
    { do: "refuse", node: "b", others: ["a"] },
  ]);
});

test("a volume is detached from one node before the other gets it", () => {
  const nodes = [on("b", { wanted: true }), on("a", ATTACHED)];
  expect(planVolume(nodes, false).steps).toEqual([
    detach(),
    { do: "refuse", node: "b", others: ["a"] },
  ]);
});
