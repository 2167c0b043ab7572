import { ManualClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { BackOffs } from "./back-off.ts";

describe("restart back-off", () => {
  const make = () => {
    const clock = new ManualClock(1_000_000);
    return { clock, backOffs: new BackOffs({ clock, first_ms: 10_000, most_ms: 300_000 }) };
  };

  test("the first restart is at once, then 10 s doubling to 300 s", () => {
    const { clock, backOffs } = make();
    const waits: number[] = [];
    for (let crash = 0; crash < 8; crash++) {
      const failed_ms = clock.now();
      const wait_ms = backOffs.remaining("p/a", failed_ms);
      waits.push(wait_ms);
      clock.advance(wait_ms);
      backOffs.grow("p/a", failed_ms);
    }
    expect(waits).toEqual([0, 10, 20, 40, 80, 160, 300, 300].map((seconds) => seconds * 1_000));
  });

  test("after ten minutes without a failure it is reset", () => {
    const { clock, backOffs } = make();
    backOffs.grow("p/a", clock.now());
    backOffs.grow("p/a", clock.now());
    clock.advance(600_001);
    expect(backOffs.remaining("p/a", clock.now())).toBe(0);
    backOffs.grow("p/a", clock.now());
    expect(backOffs.delayOf("p/a")).toBe(10_000);
  });

  test("a clock that is set back prolongs no delay", () => {
    let now_ms = 4_600_000;
    const clock = Object.assign(new ManualClock(), { now: () => now_ms });
    const backOffs = new BackOffs({ clock, first_ms: 10_000, most_ms: 300_000 });
    const failed_ms = now_ms;
    backOffs.grow("p/a", failed_ms);
    now_ms -= 3_600_000;
    expect(backOffs.remaining("p/a", failed_ms)).toBe(10_000);
  });

  test("the keys of a removed pod are dropped", () => {
    const { clock, backOffs } = make();
    backOffs.grow("p/a", clock.now());
    backOffs.forgetAll("p/");
    expect(backOffs.remaining("p/a", clock.now())).toBe(0);
  });
});
