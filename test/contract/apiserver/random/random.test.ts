import { seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, it } from "vitest";
import type { Answered, Recorder } from "../transcripts/recorder.ts";
import { AREAS } from "./areas/all.ts";
import { shrink, smaller } from "./shrink.ts";
import { caseOf } from "./step.ts";

describe("random sequences", () => {
  it.each(Object.entries(AREAS))("%s: a seed makes the same sequence again", (_name, make) => {
    for (let seed = 1; seed <= 50; seed++) {
      const steps = make(seededRandom(seed));
      expect(steps.length).toBeGreaterThan(0);
      expect(make(seededRandom(seed))).toEqual(steps);
    }
  });

  it("are made as short as what they show allows", async () => {
    const isShown = (items: readonly { n: number; more?: object }[]) =>
      Promise.resolve(items.some(({ n }) => n === 7) && items.some(({ n }) => n === 11));
    const items = Array.from({ length: 20 }, (_, n) => ({ n, more: { a: 1 } }));
    const simpler = (item: { n: number; more?: object }) =>
      [...smaller(item)] as { n: number; more?: object }[];
    expect(await shrink(items, simpler, isShown)).toEqual([{ n: 7 }, { n: 11 }]);
  });

  it("name what a server chose by the answer that had it", async () => {
    const asked: unknown[] = [];
    const metadata = { uid: "u1", resourceVersion: "5" };
    const answer: Answered = { metadata, data: { a: "1", b: "2" } };
    const ask: Recorder["ask"] = (...words) => {
      asked.push(words);
      return Promise.resolve(answer);
    };
    const { run } = caseOf("s", [
      { method: "GET", path: "configmaps/a" },
      {
        method: "PUT",
        path: "configmaps/a?resourceVersion={rv}",
        onto: "configmaps/a",
        body: { data: { b: null, c: "{uid}" } },
      },
    ]);
    await run({ ask, ns: "n" } as Recorder);
    const body = { metadata, data: { a: "1", c: "u1" } };
    expect(asked[1]).toEqual(["PUT", "configmaps/a?resourceVersion=5", { body }]);
  });
});
