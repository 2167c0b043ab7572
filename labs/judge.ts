/** One judgement of a lab's check, in words that teach. */
export interface Judgement {
  /** The operation, as the field calls it. */
  readonly when: string;
  readonly expected: string;
  readonly happened: string;
  /** What goes wrong in a real cluster otherwise, with the paper or specification. */
  readonly why: string;
}

/** Throws the judgement as a readable message unless `fine`. */
export function judge(fine: false, judgement: Judgement): never;
export function judge(fine: boolean, judgement: Judgement): void;
export function judge(fine: boolean, judgement: Judgement): void {
  if (!fine) throw new Error(describeJudgement(judgement));
}

/** The four lines of it. */
export function describeJudgement({ when, expected, happened, why }: Judgement): string {
  return [
    when,
    `  what happened:  ${happened}`,
    `  expected:       ${expected}`,
    `  why it matters: ${why}`,
  ].join("\n");
}
