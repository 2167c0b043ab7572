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
  if (fine) return;
  const { when, expected, happened, why } = judgement;
  throw new Error(
    [
      when,
      `  what happened:  ${happened}`,
      `  expected:       ${expected}`,
      `  why it matters: ${why}`,
    ].join("\n"),
  );
}
