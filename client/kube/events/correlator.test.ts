import { ManualClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { EventCorrelator, type Occurrence } from "./correlator.ts";

function occurrence(message: string, name = "web"): Occurrence {
  const about = { kind: "Pod", namespace: "default", name, uid: `uid-${name}` };
  return { about, type: "Warning", reason: "BackOff", message };
}

describe("EventCorrelator", () => {
  test("counts equal occurrences under one key and keeps when they began", () => {
    const clock = new ManualClock(1_000);
    const correlator = new EventCorrelator(clock);
    const first = correlator.correlate(occurrence("x"));
    clock.advance(500);
    const second = correlator.correlate(occurrence("x"));
    expect(first).toMatchObject({ act: "record", count: 1, first_ms: 1_000 });
    expect(second).toMatchObject({ act: "record", count: 2, first_ms: 1_000 });
    expect(second.act === "record" && second.key).toBe(first.act === "record" && first.key);
  });

  test("combines the tenth and later messages that differ", () => {
    const correlator = new EventCorrelator(new ManualClock());
    const results = Array.from({ length: 12 }, (_, i) => correlator.correlate(occurrence(`m${i}`)));
    expect(results[8]).toMatchObject({ message: "m8", count: 1 });
    expect(results[9]).toMatchObject({ message: "(combined from similar events): m9", count: 1 });
    expect(results[11]).toMatchObject({ message: "(combined from similar events): m11", count: 3 });
  });

  test("begins again when similar ones are ten minutes old", () => {
    const clock = new ManualClock();
    const correlator = new EventCorrelator(clock);
    for (let i = 0; i < 10; i++) correlator.correlate(occurrence(`m${i}`));
    clock.advance(600_001);
    expect(correlator.correlate(occurrence("later"))).toMatchObject({ message: "later" });
  });

  test("drops what exceeds the burst about one object, not what is about another", () => {
    const clock = new ManualClock();
    const correlator = new EventCorrelator(clock);
    for (let i = 0; i < 25; i++) {
      expect(correlator.correlate(occurrence("x")).act).toBe("record");
    }
    expect(correlator.correlate(occurrence("x")).act).toBe("skip");
    expect(correlator.correlate(occurrence("x", "other")).act).toBe("record");
    clock.advance(300_000);
    expect(correlator.correlate(occurrence("x")).act).toBe("record");
    expect(correlator.correlate(occurrence("x")).act).toBe("skip");
  });
});
