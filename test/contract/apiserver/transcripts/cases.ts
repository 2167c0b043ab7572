import { foldedJson } from "./folded-json.ts";
import { BODIES_OF_SUBRESOURCES } from "./generated/bodies-of-subresources.ts";
import { COLUMNS } from "./generated/columns.ts";
import type { Case, Exchange } from "./recorder.ts";
import type { Recording } from "./recording.ts";
import { type Script, scriptOf, withAnswers } from "./script.ts";
import type { Step } from "./transcript.ts";

/** Cases whose requests are computed: their transcripts are written whole. */
export const GENERATED: readonly Case[] = [...BODIES_OF_SUBRESOURCES, ...COLUMNS];

/**
 * Areas whose cases change what others would be answered: addresses, the default StorageClass, the
 * groups that are served, what admission refuses.
 */
const ALONE = [
  /^ranges: /,
  /^columns: /,
  /^crd /,
  /^custom resources: /,
  /^cr /,
  /^webhooks: /,
  /^policies: /,
  /^apiservices: /,
];

/** Whether a case runs while no other does, after all others. */
export const isAlone = ({ name }: Case): boolean => ALONE.some((area) => area.test(name));

/** Every case, each in a namespace of its own: those that are generated, all others scripts. */
export function casesOf(recording: Recording): (Case | Script)[] {
  const generated = new Set(GENERATED.map(({ name }) => name));
  const scripts = [...recording].filter(([name]) => !generated.has(name));
  const cases = [...GENERATED, ...scripts.map(([name, steps]) => scriptOf(name, steps))];
  const alone = ALONE.flatMap((area) => cases.filter(({ name }) => area.test(name)));
  return [...cases.filter((each) => !isAlone(each)), ...alone];
}

/** Returns the steps of a case with the answers that a server gave. */
export function answered(testCase: Case | Script, exchanges: readonly Exchange[]): Step[] {
  if ("steps" in testCase) return withAnswers(testCase.steps, exchanges);
  return exchanges.map(({ ask, sent, ...answer }) => {
    const request = sent === undefined ? ask : `${ask}\n${foldedJson(sent)}`;
    return { request, isRecorded: true, answer };
  });
}
