import { describe, expect, it } from "vitest";
import { bodiesOf, cutSkeleton, regionsOf, withoutTags } from "./cut.ts";
import { resolveOverlaid } from "./own-tree.ts";

const SOURCE = `/** Adds. */
export function add(a: number, b: number): number {
  // lab:04 begin add
  return a + b;
  // lab:04 end
}
// lab:05 begin rest
export const rest = 1;
// lab:05 end
`;

describe("a lab's skeleton", () => {
  it("keeps signature and doc, throws in the region's place, shows no other lab's tags", () => {
    expect(cutSkeleton(SOURCE, "04", "add.ts")).toBe(`/** Adds. */
export function add(a: number, b: number): number {
  throw new Error("lab 04: add is not written yet");
}
export const rest = 1;
`);
    expect(withoutTags(SOURCE)).not.toMatch(/lab:/);
  });

  it("names the function around a region: no call before it, not the tag", () => {
    const method = `class Log {
  *pairs<T>(
    of: T,
  ): Generator<T> {
    // lab:04 begin log-pairs
    // lab:04 end
  }
}
function add(a: number): number {
  assert(a > 0);
  try {
    return read();
  } catch (thrown) {
    // lab:04 begin add-failed
    // lab:04 end
  }
}
`;
    expect(bodiesOf(method, "04", "log.ts")).toEqual(["pairs", "add"]);
    const skeleton = cutSkeleton(method, "04", "log.ts");
    expect(skeleton).toContain("lab 04: pairs is not written yet");
    expect(skeleton).toContain("lab 04: add is not written yet");
  });

  it("names the place of a tag that is wrong", () => {
    const open = "// lab:04 begin one\nx\n";
    expect(() => regionsOf(open, "a.ts")).toThrow("a.ts:1: one is not closed");
    expect(() => regionsOf("// lab:04 end\n", "a.ts")).toThrow(/nothing of this lab is open/);
    const twice = "// lab:04 begin one\n// lab:04 begin two\n// lab:04 end\n";
    expect(() => regionsOf(twice, "a.ts")).toThrow("a.ts:2: one is still open");
  });
});

describe("a reader's tree over the product", () => {
  it("resolves a relative import next to the reference file", () => {
    const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
    const tree = `${root}/my/empty`;
    const resolved = resolveOverlaid("./record.ts", `${tree}/store/wal/wal.ts`, [tree]);
    expect(resolved).toBe(`${root}/store/wal/record.ts`);
    const named = resolveOverlaid("@raft2kube/client-kube/rest/client.ts", undefined, [tree]);
    expect(named).toBe(`${root}/client/kube/rest/client.ts`);
    expect(resolveOverlaid("vitest", `${tree}/x.ts`, [tree])).toBeUndefined();
  });
});
