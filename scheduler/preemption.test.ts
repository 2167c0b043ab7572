import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { schedule } from "./cycle.ts";
import { podInfo } from "./node-info.ts";
import { Nominations } from "./nominations.ts";
import { findCandidate } from "./preemption.ts";
import { DEFAULT_PROFILE, pluginsOf } from "./profiles.ts";
import { node, pod, snapshot } from "./test-objects.ts";

const plugins = pluginsOf(DEFAULT_PROFILE, []);

function sized(name: string, cpu: string, priority: number, shape: object = {}): Pod {
  return pod(name, { requests: { cpu }, priority, ...shape });
}

function candidate(wanted: Pod, placed: [Node, Pod[]][]): string | undefined {
  const info = podInfo(wanted);
  const view = snapshot(placed);
  const decision = schedule({ info, snapshot: view, plugins, random: seededRandom(1) });
  if (decision.kind === "placed") throw new Error("it fits without preemption");
  const { rejections } = decision;
  const { candidate: found } = findCandidate({ info, snapshot: view, plugins, rejections });
  return found && `${found.node}: ${found.victims.map((v) => v.pod.metadata.name).join(" ")}`;
}

const high = sized("high", "2", 100);

test("drives away no more than it must, the least important first", () => {
  const there = [sized("a", "1", 1), sized("b", "1", 2), sized("c", "1", 3), sized("d", "1", 4)];
  expect(candidate(high, [[node("n", { cpu: "4" }), there]])).toBe("n: b a");
});

test("pods of the same or a higher priority stay", () => {
  const there = [sized("a", "2", 100), sized("b", "2", 200)];
  expect(candidate(high, [[node("n", { cpu: "4" }), there]])).toBeUndefined();
});

test("takes the node whose victims matter least, then the fewest", () => {
  const full = (name: string, ...pods: Pod[]): [Node, Pod[]] => [node(name, { cpu: "2" }), pods];
  const important = full("x", sized("x", "2", 50));
  const two = full("y", sized("y", "1", 5), sized("y2", "1", 5));
  const one = full("z", sized("z", "2", 5));
  expect(candidate(high, [important, two])).toBe("y: y y2");
  expect(candidate(high, [important, two, one])).toBe("z: z");
});

test("helps against a port that is taken, not against a label that is missing", () => {
  const asking = pod("high", { priority: 100, hostPort: 80 });
  const holder = pod("holder", { hostPort: 80 });
  expect(candidate(asking, [[node("n"), [holder]]])).toBe("n: holder");
  const picky = sized("high", "4", 100, { nodeSelector: { disk: "ssd" } });
  expect(candidate(picky, [[node("n"), [sized("a", "4", 0)]]])).toBeUndefined();
});

test("drives nobody away where the pod would not fit even then", () => {
  expect(candidate(sized("huge", "64", 100), [[node("n"), [sized("a", "1", 0)]]])).toBeUndefined();
});

test("not when it may not, and not again while its victims are leaving", () => {
  const full: [Node, Pod[]] = [node("n", { cpu: "2" }), [sized("a", "2", 0)]];
  expect(candidate(sized("meek", "2", 100, { preemptionPolicy: "Never" }), [full])).toBeUndefined();
  const leaving = sized("a", "2", 0);
  leaving.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  const promised = { ...high, status: { nominatedNodeName: "n" } };
  expect(candidate(promised, [[node("n", { cpu: "2" }), [leaving]]])).toBeUndefined();
});

test("room that is promised is not given to a less important pod", () => {
  const nominations = new Nominations();
  nominations.add(podInfo(high), "n");
  const view = snapshot([[node("n", { cpu: "2" }), []]]);
  const decide = (wanted: Pod) => {
    const info = podInfo(wanted);
    return schedule({ info, snapshot: view, plugins, nominations, random: seededRandom(1) }).kind;
  };
  expect(decide(sized("low", "1", 1))).toBe("unfit");
  expect(decide(sized("higher", "1", 200))).toBe("placed");
  expect(decide(high)).toBe("placed");
  nominations.remove(high);
  expect(decide(sized("low", "1", 1))).toBe("placed");
});

test("says why nobody is driven away, as the event shows it", () => {
  const why = (wanted: Pod, placed: [Node, Pod[]][]) => {
    const info = podInfo(wanted);
    const view = snapshot(placed);
    const decision = schedule({ info, snapshot: view, plugins, random: seededRandom(1) });
    if (decision.kind === "placed") throw new Error("it fits without preemption");
    const { rejections } = decision;
    const found = findCandidate({ info, snapshot: view, plugins, rejections });
    return found.candidate ? undefined : found.why;
  };
  const full: [Node, Pod[]] = [node("n", { cpu: "2" }), [sized("a", "2", 0)]];
  const other: [Node, Pod[]] = [node("o", { cpu: "2" }), []];
  const picky = sized("picky", "1", 1, { nodeSelector: { disk: "ssd" } });
  expect(why(high, [full])).toBeUndefined();
  expect(why(sized("low", "2", 0), [full])).toBe(
    "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.");
  expect(why(picky, [full, other])).toBe(
    "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.");
  const shared: [Node, Pod[]] = [node("n", { cpu: "2" }), [sized("a", "1", 0), sized("b", "1", 9)]];
  expect(why(sized("two", "2", 1), [shared])).toBe(
    "preemption: 0/1 nodes are available: 1 Insufficient cpu.");
  expect(why(sized("meek", "2", 1, { preemptionPolicy: "Never" }), [full])).toBe(
    "preemption: not eligible due to preemptionPolicy=Never.");
});
