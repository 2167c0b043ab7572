import type { Message } from "@raft2kube/store/core/message.ts";
import { expect, it } from "vitest";
import { Violation } from "../../testing/violation.ts";
import { LabCluster } from "./cluster.ts";
import { append, askVote } from "./core.ts";
import { cutToCause, focusOf, membersOf } from "./cut.ts";
import { drawDiagram } from "./diagram.ts";
import { DIAGRAM_LINES } from "./limits.ts";
import { Trace } from "./trace.ts";

const MEMBERS = [1n, 2n, 3n];

function beat(to: bigint, kind: "heartbeat" | "heartbeat-reply" = "heartbeat"): Message {
  const news = { commit: 0, commitTerm: 0, readId: 0 };
  const [from, at] = kind === "heartbeat" ? [1n, to] : [to, 1n];
  return { kind, from, to: at, term: 1, ...news } as Message;
}

it("heartbeats are drawn with their direction, their number and their losses", () => {
  const trace = new Trace(() => 1);
  for (let i = 0; i < 3; i++) {
    trace.message(beat(2n), false);
    trace.message(beat(2n, "heartbeat-reply"), false);
    trace.message(beat(3n), true);
  }
  const lines = drawDiagram(trace.events, MEMBERS, 10);
  expect(lines).toHaveLength(3);
  expect(lines[1]).toMatch(/│─+►│ +│ +heartbeat t1 ×3$|heartbeat t1 ×3 ─*►/);
  expect(lines[2]).toMatch(/│─+┼─+✗│ +heartbeat t1 ×3 +\(3 lost\)$/);
});

it("an arrow's label is beside its sender, and no member's line ends under it", () => {
  const trace = new Trace(() => 1);
  const asked = { ...askVote(1n, 1, { index: 0, term: 0 }), from: 1n, to: 3n };
  trace.message(asked, false);
  trace.message({ ...asked, from: 3n, to: 1n }, false);
  const [, right, left] = drawDiagram(trace.events, MEMBERS, 10).map((line) => line.slice(10));
  expect(right).toBe("│─── vote? t1 ────┼────────────────►│");
  expect(left).toBe("│◄────────────────┼──── vote? t1 ───│");
});

it("a message of a member to itself has a line", () => {
  const trace = new Trace(() => 1);
  trace.message(askVote(1n, 1, { index: 0, term: 0 }), false);
  expect(drawDiagram(trace.events, MEMBERS, 10).join("\n")).toMatch(/● +│ +│ +1 to itself: /);
});

it("a diagram keeps its beginning and its end", () => {
  const trace = new Trace(() => 1);
  for (let i = 0; i < 20; i++) trace.note(1n, `step ${i}`);
  const lines = drawDiagram(trace.events, MEMBERS, 9);
  expect(lines).toHaveLength(10);
  expect(lines.join("\n")).toMatch(/step 2\n.*⋮ 12 lines\n.*step 15\n/);
});

it("changes of leader and faults stay in the part that is left out", () => {
  const trace = new Trace(() => 1);
  for (let i = 0; i < 40; i++) trace.note(1n, i === 20 ? "is leader in term 3" : `step ${i}`);
  const lines = drawDiagram(trace.events, MEMBERS, 12);
  expect(lines.length).toBeLessThanOrEqual(13);
  const text = lines.join("\n");
  expect(text).toMatch(/step 3\n.*⋮ 16 lines\n.*is leader in term 3\n/);
  expect(text).toMatch(/\n.*⋮ 14 lines\n.*step 35\n/);
});

it("equal notes are one line, with their number and the time of the last", () => {
  let now_ms = 0;
  const trace = new Trace(() => now_ms);
  for (; now_ms < 5_000; now_ms += 1_000) trace.note(2n, "times out");
  const lines = drawDiagram(trace.events, MEMBERS, 10);
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(/^ +4\.0000 .* 2 times out ×5$/);
});

it("folded heartbeats are in the order of their times", () => {
  let now_ms = 0;
  const trace = new Trace(() => now_ms);
  for (const to of [2n, 3n, 3n, 2n]) {
    now_ms++;
    trace.message(beat(to), false);
  }
  const times = drawDiagram(trace.events, MEMBERS, 10)
    .slice(1)
    .map((line) => parseFloat(line));
  expect(times).toEqual([0.003, 0.004]);
});

it("a vote that has left is drawn when its sender crashes", () => {
  const cluster = new LabCluster({ servers: 3, seed: 1 });
  const [one] = cluster.servers;
  one!.campaign();
  while (one!.votedTerm === 0) cluster.run(0.05);
  one!.crash();
  const drawn = drawDiagram(cluster.trace.events, MEMBERS, 40).join("\n");
  expect(drawn).toMatch(/│╌+ vote\? t1 ╌+┼╌+►.*\(in flight\)\n.*1 crashes$/);
});

it("no message of the member that fails is folded, and the members' disks come first", () => {
  const trace = new Trace(() => 1);
  trace.note(3n, "starts in term 1, log 1, c0");
  trace.message(append(2n, 1, { index: 0, term: 0 }, [1]), false);
  const asked = { ...askVote(3n, 2, { index: 1, term: 1 }), pre: true };
  trace.message(asked, false);
  trace.message({ ...asked, from: 2n, to: 3n }, false);
  trace.message(askVote(3n, 2, { index: 1, term: 1 }), false);
  const violation = new Violation("term and vote kept", "member 1 wrote term 2 and no vote");
  const kept = cutToCause(trace.events, focusOf(violation), membersOf(violation, 1n));
  const [starts, , preVote, , vote] = trace.events;
  expect(kept).toEqual([starts, preVote, { kind: "gap", messages: 1 }, vote]);
  expect(membersOf(new Violation("election safety", "term 2 is led by 1 and 3"), 3n)).toEqual([
    1n,
    3n,
  ]);
});

it("of a member's many messages the newest are kept, as many as have a line", () => {
  const trace = new Trace(() => 1);
  for (let i = 1; i <= 100; i++) {
    trace.message(append(2n, 1, { index: i, term: 1 }, [1]), false);
    if (i === 50) trace.note(1n, "is follower in term 1");
  }
  const kept = cutToCause(trace.events, { kind: "term", term: 1 }, [1n]);
  expect(kept.length).toBeLessThanOrEqual(DIAGRAM_LINES);
  expect(kept.at(-1)).toEqual(trace.events.at(-1));
});

it("a failed election is cut to the votes of its term", () => {
  const trace = new Trace(() => 1);
  trace.message({ ...askVote(2n, 1, { index: 0, term: 0 }) }, false);
  trace.message(append(2n, 1, { index: 0, term: 0 }, [1]), false);
  trace.message(askVote(3n, 2, { index: 1, term: 1 }), false);
  trace.message(append(2n, 1, { index: 1, term: 1 }, [1]), false);
  trace.note(1n, "crashes");
  const focus = focusOf(new Violation("election safety", "term 2 is led by 1 and 3"));
  expect(focus).toEqual({ kind: "term", term: 2 });
  const kept = cutToCause(trace.events, focus);
  expect(kept.map(({ kind }) => kind)).toEqual(["message", "gap", "note"]);
});

it("a lost entry is cut to the messages that carry it", () => {
  const trace = new Trace(() => 1);
  trace.message(append(2n, 1, { index: 0, term: 0 }, [1]), false);
  trace.message(append(2n, 1, { index: 1, term: 1 }, [1, 1]), false);
  trace.message(append(2n, 1, { index: 3, term: 1 }, [1]), false);
  const message = "1 leads without the committed entry 3/1, it has term undefined there";
  const kept = cutToCause(trace.events, focusOf(new Violation("leader completeness", message)));
  expect(kept).toEqual([trace.events[1], { kind: "gap", messages: 1 }]);
});

it("the last message to a member is kept, though it is a repetition", () => {
  const trace = new Trace(() => 1);
  const request = askVote(3n, 2, { index: 1, term: 1 });
  for (let i = 0; i < 3; i++) trace.message(request, false);
  expect(cutToCause(trace.events, undefined).slice(0, 2)).toEqual([
    trace.events[0],
    trace.events[2],
  ]);
  const kept = cutToCause(trace.events, { kind: "term", term: 2 });
  expect(kept).toEqual([trace.events[0], { kind: "gap", messages: 1 }, trace.events[2]]);
});

it("a vote of a member for itself is drawn when it is on disk", () => {
  const cluster = new LabCluster({ servers: 3, seed: 1 });
  cluster.servers[1]!.campaign();
  cluster.run(1);
  const drawn = drawDiagram(cluster.trace.events, MEMBERS, 40).join("\n");
  expect(drawn).toMatch(/2 to itself: pre-granted t1/);
});
