import { beforeAll, describe, expect, it } from "vitest";
import { inTurn } from "../../../../testing/drawn.ts";
import { subjects } from "./cases.ts";
import { type Difference, differences, type Share, shares } from "./compare.ts";
import { readGolden } from "./golden.ts";
import { askOurs } from "./ours.ts";
import { readTable } from "./table.ts";

// Recorded on kube-apiserver 1.36 by scripts/answers.ts.
const golden = readGolden();
const all = subjects();
const schemas = [...new Set(all.map(({ schema }) => schema))];
/** The kinds that this run asks about, a sixth of them. */
const judged = inTurn("kinds of answers", schemas, Math.ceil(schemas.length / 10));
const SHOWN = 5;

let differing: Difference[];
let found: Map<string, Share>;

beforeAll(async () => {
  const asked = all.filter(({ schema }) => judged.includes(schema));
  differing = differences(asked, await askOurs(asked), golden);
  found = new Map(shares(asked, differing, golden).map((each) => [each.schema, each]));
});

describe("answers agree with upstream's", () => {
  it("in cases that were all recorded", () => {
    const ids = all.flatMap(({ creates, updates }) => [...creates, ...updates]).map(({ id }) => id);
    expect(ids.filter((id) => !golden.has(id))).toEqual([]);
    expect(golden.size).toBe(ids.length);
  });

  const recorded = readTable();
  it("for the kinds that docs/FEATURES.md has", () => {
    expect(shares(all, [], golden).map(({ schema, asked }) => [schema, asked])).toEqual(
      recorded.map(({ schema, asked }) => [schema, asked]),
    );
  });

  it.each(recorded.filter(({ schema }) => judged.includes(schema)))(
    "$schema, at least as often as docs/FEATURES.md says",
    (row) => {
      const shown = differing
        .filter(({ schema }) => schema === row.schema)
        .slice(0, SHOWN)
        .map(
          ({ id, ours, upstream }) =>
            `${id}\n  ours: ${JSON.stringify(ours)}\n  upstream: ${JSON.stringify(upstream)}`,
        );
      const { answers_percent, objects_percent } = found.get(row.schema)!;
      expect(answers_percent, shown.join("\n")).toBeGreaterThanOrEqual(row.answers_percent);
      expect(objects_percent, shown.join("\n")).toBeGreaterThanOrEqual(row.objects_percent);
    },
  );
});
