import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it, onTestFinished, vi } from "vitest";

/** The page's storage and document, which its client looks at. */
function stubPage(): void {
  vi.stubGlobal("document", { getElementById: () => null });
  vi.stubGlobal("localStorage", { getItem: () => null });
  onTestFinished(() => void vi.unstubAllGlobals());
}

it("goes on soon after a failure, and asks seldom for what it may not see", async () => {
  stubPage();
  const { follow } = await import("./live.ts");
  const rounds = async (thrown: Error) => {
    const clock = new ManualClock();
    let count = 0;
    const round = () => {
      count++;
      return Promise.reject(thrown);
    };
    const end = follow(round, () => undefined, clock);
    for (let second = 0; second < 120; second++) {
      await new Promise(setImmediate);
      clock.advance(1_000);
    }
    end();
    return count;
  };
  expect(await rounds(new Error("down"))).toBe(61);
  expect(await rounds(new KubeError({ code: 403, message: "no" }))).toBeLessThan(9);
});
