import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTurn } from "../../../../testing/drawn.ts";
import { answered, casesOf, GENERATED, isAlone } from "./cases.ts";
import { differences } from "./differences.ts";
import { readKnown, readPending, whyKnown } from "./known.ts";
import { type Case, record } from "./recorder.ts";
import { readRecording } from "./recording.ts";
import { type Server, startOurs } from "./servers.ts";

// Recorded on upstream's kube-apiserver by scripts/record-transcripts.ts.
const RECORDING = readRecording();
const PENDING = readPending();
const ALL = casesOf(RECORDING).filter(({ name }) => !PENDING.includes(name));
/** Areas take turns, each as a whole: cases of one may need what those before them left. */
const AREAS_JUDGED = 4;
const areaOf = (name: string) => name.split(": ")[0]!;
const AREAS = inTurn("areas", [...new Set(ALL.map(({ name }) => areaOf(name)))], AREAS_JUDGED);
const isJudged = (name: string) => AREAS.includes(areaOf(name));
const CASES = ALL.filter(({ name }) => isJudged(name));
const KNOWN = readKnown();

/** Known differences that may be gone before they must be taken off the list. */
const MENDED_MAX = 25;
const mended: string[] = [];

let ours: Server;

beforeAll(async () => {
  ours = await startOurs();
});
afterAll(() => ours?.close());

describe("ours answers as kube-apiserver 1.36", () => {
  it("has a transcript of every case", () => {
    const missing = GENERATED.filter(({ name }) => !RECORDING.has(name));
    expect(missing.map(({ name }) => name)).toEqual([]);
    const unanswered = [...RECORDING].filter(([, steps]) =>
      steps.some(({ isRecorded, answer }) => isRecorded && answer === undefined),
    );
    expect(unanswered.map(([name]) => name)).toEqual([]);
  });

  it.skipIf(PENDING.length > 0)("no transcript is pending", () => {
    expect(PENDING).toEqual([]);
  });

  const asked = new Set<string>();
  const isAnswered = async (testCase: Case) => {
    const { name } = testCase;
    const exchanges = await record(testCase, ours);
    const theirs = RECORDING.get(name)!.filter(({ isRecorded }) => isRecorded);
    const answers = answered(testCase, exchanges).filter(({ isRecorded }) => isRecorded);
    expect(answers.map(({ request }) => request)).toEqual(theirs.map(({ request }) => request));
    const found: Record<string, unknown> = {};
    for (const [index, { ask }] of exchanges.entries()) {
      const why = whyKnown(KNOWN, name, ask);
      const differing = differences(theirs[index]!.answer, answers[index]!.answer);
      if (why === undefined && differing.length > 0) found[ask] = differing;
      if (why !== undefined && differing.length === 0) mended.push(`${name}: ${ask}`);
      asked.add(`${name}: ${ask}`);
    }
    expect(found).toEqual({});
  };

  // Each case has a namespace of its own, and objects of the cluster under names of its own.
  // Others' Services would be given addresses of ranges that are there for a while.
  const apart = CASES.filter((each) => !isAlone(each));
  it.concurrent.each(apart)("$name", isAnswered);

  // In their order: the default StorageClass of one is given to claims from then on.
  it.each(CASES.filter(isAlone))("$name", isAnswered);

  it("knows of no difference in what is not asked", () => {
    const known = Object.values(KNOWN).flatMap((names) =>
      Object.entries(names).flatMap(([name, asks]) => asks.map((ask) => `${name}: ${ask}`)),
    );
    expect(known.filter((each) => isJudged(each) && !asked.has(each))).toEqual([]);
  });

  afterAll(() => {
    // A change may mend some without knowing this list, but the list must not grow stale.
    expect(
      mended.length,
      `known.json has what no longer differs: ${mended.join("; ")}`,
    ).toBeLessThanOrEqual(MENDED_MAX);
  });
});
