/** The result of a lab's check, with its explanation. */
export interface Judgement {
  /** The operation, in the field's terms. */
  readonly when: string;
  readonly expected: string;
  readonly happened: string;
  /** The consequence in a real cluster, with the paper or specification. */
  readonly why: string;
}

/** Throws the judgement as a readable message unless `fine`. */
export function judge(fine: false, judgement: Judgement): never;
export function judge(fine: boolean, judgement: Judgement): void;
export function judge(fine: boolean, judgement: Judgement): void {
  if (!fine) throw new Error(describeJudgement(judgement));
}

/** Returns the judgement as four lines. */
export function describeJudgement({ when, expected, happened, why }: Judgement): string {
  return [
    when,
    `  what happened:  ${happened}`,
    `  expected:       ${expected}`,
    `  why it matters: ${why}`,
  ].join("\n");
}
