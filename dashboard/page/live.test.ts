import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it, onTestFinished, vi } from "vitest";
import type { AnyObject } from "./api.ts";
import type { Target } from "./kinds.ts";

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

it("shows an object without a version, and no state twice", async () => {
  stubPage();
  const { shownOf } = await import("./live.ts");
  const of = (resourceVersion?: string) => ({ metadata: { name: "a", resourceVersion } });
  const [metrics, first, again, next] = [of(), of("1"), of("1"), of("2")] as AnyObject[];
  expect(shownOf(undefined, metrics!)).toBe(metrics);
  expect(shownOf(first, again!)).toBe(first);
  expect(shownOf(first, next!)).toBe(next);
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

it("rolls back to the revision that was shown, whatever comes meanwhile", async () => {
  stubPage();
  const { ACTIONS } = await import("./actions.ts");
  let newest = 2;
  const patches: string[] = [];
  vi.stubGlobal("fetch", (path: string, { method, body }: RequestInit) => {
    if (method === "PATCH") patches.push(`${path} ${String(body)}`);
    const items = Array.from({ length: newest }, (_, i) => ({
      metadata: { name: `set-${i + 1}`, ownerReferences: [{ uid: "u" }] },
      revision: i + 1,
      data: { spec: { template: { revision: i + 1 } } },
    }));
    return Promise.resolve(Response.json({ metadata: {}, items }));
  });
  const at = {
    kind: { group: "apps", version: "v1", plural: "statefulsets", namespaced: true },
    object: { metadata: { namespace: "n", name: "set", uid: "u" } },
  } as unknown as Target;
  const plan = () => ACTIONS.find(({ title }) => title === "Roll back")!.plan(at);
  const { effect, run } = await plan();
  expect(effect).toEqual([expect.stringContaining("To revision 1: set-1")]);
  newest = 3;
  await run(() => undefined, "");
  expect(patches).toEqual([expect.stringContaining('/set {"spec":{"template":{"revision":1}}}')]);
  expect((await plan()).effect).toEqual([expect.stringContaining("To revision 2: set-2")]);
});
