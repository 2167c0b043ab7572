import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it, onTestFinished, vi } from "vitest";

/** The page's storage and document, which its client looks at. */
function stubPage(): void {
  vi.stubGlobal("document", { getElementById: () => null });
  vi.stubGlobal("localStorage", { getItem: () => null });
  onTestFinished(() => void vi.unstubAllGlobals());
}

it("asks a server that is away, or refuses, more and more seldom, yet often enough", async () => {
  stubPage();
  const { follow } = await import("./live.ts");
  const rounds = async () => {
    const clock = new ManualClock();
    let count = 0;
    const round = () => {
      count++;
      return Promise.reject(new Error("down"));
    };
    const end = follow(round, () => undefined, clock);
    for (let second = 0; second < 120; second++) {
      await new Promise(setImmediate);
      clock.advance(1_000);
    }
    end();
    return count;
  };
  expect(await rounds()).toBe(14);
});

it("goes on soon after each watch that lasted and was cut off, as by a proxy", async () => {
  stubPage();
  const { follow } = await import("./live.ts");
  const clock = new ManualClock();
  const starts: number[] = [];
  const problems: string[] = [];
  const round = () => {
    starts.push(clock.monotonic());
    return new Promise<void>((_, reject) => {
      clock.after(60_000, () => reject(new Error("cut off")));
    });
  };
  const end = follow(round, (problem) => problems.push(problem), clock);
  for (let second = 0; second < 300; second++) {
    await new Promise(setImmediate);
    clock.advance(1_000);
  }
  end();
  expect(starts.map((at_ms) => at_ms - starts[0]!)).toEqual([0, 62_000, 124_000, 186_000, 248_000]);
  expect(problems).toEqual(Array(4).fill("cut off"));
});
