import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { differences } from "./differences.ts";
import { readKnown, whyKnown } from "./known.ts";
import { readRecording } from "./recording.ts";
import { type Server, startOurs } from "./servers.ts";
import { STORIES } from "./told/all.ts";
import { COLUMNS } from "./told/columns.ts";
import { type Story, tell } from "./teller.ts";

// Recorded on upstream's kube-apiserver by scripts/record-stories.ts.
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
  it("has a recording of every story", () => {
    expect(Object.keys(RECORDING).sort()).toEqual(STORIES.map(({ name }) => name).sort());
  });

  it("knows of no difference in what is not asked", () => {
    const asked = new Set(STORIES.flatMap(({ name }) =>
      RECORDING[name]!.map(({ ask }) => `${name}: ${ask}`)));
    const known = Object.values(KNOWN).flatMap((stories) =>
      Object.entries(stories).flatMap(([name, asks]) => asks.map((ask) => `${name}: ${ask}`)));
    expect(known.filter((each) => !asked.has(each))).toEqual([]);
  });

  const isTold = async (story: Story) => {
    const told = await tell(story, ours);
    const theirs = RECORDING[story.name]!;
    expect(told.map(({ ask }) => ask)).toEqual(theirs.map(({ ask }) => ask));
    const found: Record<string, unknown> = {};
    for (const [index, each] of told.entries()) {
      const why = whyKnown(KNOWN, story.name, each.ask);
      const differing = differences(theirs[index], each);
      if (why === undefined && differing.length > 0) found[each.ask] = differing;
      if (why !== undefined && differing.length === 0) mended.push(`${story.name}: ${each.ask}`);
    }
    expect(found).toEqual({});
  };

  // Each story has a namespace of its own, and objects of the cluster under names of its own.
  const apart = STORIES.filter((story) => !COLUMNS.includes(story));
  it.concurrent.each(apart)("$name", isTold);

  // In their order: the default StorageClass of one is given to claims from then on.
  it.each(COLUMNS)("$name", isTold);

  afterAll(() => {
    // Who mends a kind's rule need not know of this list; it must not grow stale for all that.
    expect(mended.length, `known.json has what no longer differs: ${mended.join("; ")}`)
      .toBeLessThanOrEqual(MENDED_MAX);
  });
});
