import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { differences } from "./differences.ts";
import { readKnown, whyKnown } from "./known.ts";
import { readRecording } from "./recording.ts";
import { type Server, startOurs } from "./servers.ts";
import { CASES } from "./cases/all.ts";
import { COLUMNS } from "./cases/columns.ts";
import { RANGE_CASES } from "./cases/ranges.ts";
import { type Case, record } from "./recorder.ts";

// Recorded on upstream's kube-apiserver by scripts/record-transcripts.ts.
const RECORDING = readRecording();
const KNOWN = readKnown();

const TIMEOUT_MS = 120_000;
/** So many known differences may have gone before they must be taken off the list. */
const MENDED_MAX = 25;
const mended: string[] = [];

let ours: Server;

beforeAll(async () => {
  ours = await startOurs();
}, TIMEOUT_MS);
afterAll(() => ours?.close());

describe("ours answers as kube-apiserver 1.36", { timeout: TIMEOUT_MS }, () => {
  it("has a transcript of every case", () => {
    expect(Object.keys(RECORDING).sort()).toEqual(CASES.map(({ name }) => name).sort());
  });

  it("knows of no difference in what is not asked", () => {
    const asked = new Set(CASES.flatMap(({ name }) =>
      RECORDING[name]!.map(({ ask }) => `${name}: ${ask}`)));
    const known = Object.values(KNOWN).flatMap((names) =>
      Object.entries(names).flatMap(([name, asks]) => asks.map((ask) => `${name}: ${ask}`)));
    expect(known.filter((each) => !asked.has(each))).toEqual([]);
  });

  const isAnswered = async (testCase: Case) => {
    const answers = await record(testCase, ours);
    const theirs = RECORDING[testCase.name]!;
    expect(answers.map(({ ask }) => ask)).toEqual(theirs.map(({ ask }) => ask));
    const found: Record<string, unknown> = {};
    for (const [index, each] of answers.entries()) {
      const why = whyKnown(KNOWN, testCase.name, each.ask);
      const differing = differences(theirs[index], each);
      if (why === undefined && differing.length > 0) found[each.ask] = differing;
      if (why !== undefined && differing.length === 0) mended.push(`${testCase.name}: ${each.ask}`);
    }
    expect(found).toEqual({});
  };

  // Each case has a namespace of its own, and objects of the cluster under names of its own.
  // Others' Services would be given addresses of ranges that are there for a while.
  const alone = [...RANGE_CASES, ...COLUMNS];
  const apart = CASES.filter((each) => !alone.includes(each));
  it.concurrent.each(apart)("$name", isAnswered);

  // In their order: the default StorageClass of one is given to claims from then on.
  it.each(alone)("$name", isAnswered);

  afterAll(() => {
    // A change may mend some without knowing this list, but the list must not grow stale.
    expect(mended.length, `known.json has what no longer differs: ${mended.join("; ")}`)
      .toBeLessThanOrEqual(MENDED_MAX);
  });
});
