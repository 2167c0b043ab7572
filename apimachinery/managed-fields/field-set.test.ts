import { describe, expect, it } from "vitest";
import { FieldSet } from "./field-set.ts";

const named = (...names: string[]) =>
  FieldSet.fromJson(Object.fromEntries(names.map((name) => [`f:${name}`, {}])));
const namesOf = (set: FieldSet) => [...set.paths()].map(([element]) => element!.slice(2));

/** A set of many fields that counts those that are gone through. */
function counted(names: readonly string[]) {
  const seen: string[] = [];
  class Counted extends Map<string, FieldSet> {
    override *[Symbol.iterator]() {
      for (const entry of super[Symbol.iterator]()) {
        seen.push(entry[0]);
        yield entry;
      }
      return undefined;
    }
  }
  const children = new Counted();
  for (const [element, child] of named(...names).children) children.set(element, child);
  return { set: new FieldSet(children), seen };
}

describe("one of thousands of owners, of one field, and a change of thousands", () => {
  const many = Array.from({ length: 1_000 }, (_, at) => `f${at}`);

  it("their difference and intersection read the fields of the smaller", () => {
    const { set, seen } = counted(many);
    expect(namesOf(named("f7", "own").difference(set))).toEqual(["own"]);
    expect(namesOf(named("f7", "own").intersection(set))).toEqual(["f7"]);
    expect(seen).toEqual([]);
  });

  it("the union of many is that of each after the other", () => {
    const union = FieldSet.unionOf(many.map((name) => named(name, "both")));
    expect(namesOf(union)).toEqual([...many, "both"].sort());
    expect(namesOf(FieldSet.unionOf([]))).toEqual([]);
  });
});
