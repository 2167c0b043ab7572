import { describe, expect, test } from "vitest";
import { nextState, type WorkerEvent, type WorkerState } from "./worker-state.ts";

const verdict = { reason: "Evicted", message: "the disk is full" };
const end = (grace_s: number, more: object = {}): WorkerEvent => ({
  kind: "end",
  end: { grace_s, forgotten: false, ...more },
});
const after = (...events: WorkerEvent[]): WorkerState =>
  events.reduce(nextState, { kind: "syncing", admitted: false } as WorkerState);

describe("the states of a pod's worker", () => {
  test("a pod that is ordered to end is stopped, released and removed, in this order", () => {
    const events = ["admitted", "end", "stopped", "reclaimed", "removed"] as const;
    const kinds = events.map(
      (_, i) =>
        after(...events.slice(0, i + 1).map((kind) => (kind === "end" ? end(30) : { kind }))).kind,
    );
    expect(kinds).toEqual(["syncing", "terminating", "terminated", "terminated", "gone"]);
  });

  test("a grace period is only shortened, and the first verdict stays", () => {
    const ended = { grace_s: 5, forgotten: false, verdict };
    expect(
      after(end(30, { verdict }), end(5), end(60, { verdict: { ...verdict, reason: "No" } })),
    ).toEqual({ kind: "terminating", end: ended });
  });

  test("a pod that its source has forgotten is not known again by a later order", () => {
    expect(after(end(30), { kind: "stopped" }, end(30, { forgotten: true }), end(0))).toMatchObject(
      { kind: "terminated", reclaimed: false, end: { forgotten: true } },
    );
  });

  test("a pod that was ordered to end during its admission is not started", () => {
    expect(after(end(30), { kind: "admitted" })).toMatchObject({ kind: "terminating" });
  });

  test("nothing leads out of gone but the kubelet's end, and nothing out of that", () => {
    const gone = after(end(0), { kind: "stopped" }, { kind: "reclaimed" }, { kind: "removed" });
    for (const event of [end(0), { kind: "admitted" }, { kind: "stopped" }] as WorkerEvent[]) {
      expect(nextState(gone, event)).toBe(gone);
      const closed = nextState(gone, { kind: "close" });
      expect(nextState(closed, event)).toEqual({ kind: "closed" });
    }
  });
});
