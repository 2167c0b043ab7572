/** The result of a lab's check, with its explanation. */
export interface Judgement {
  /** The operation, in the field's terms. */
  readonly when: string;
  readonly expected: string;
  readonly happened: string;
  /** The consequence in a real cluster, with the paper or specification. */
  readonly why: string;
  /** The body of the exercise whose rule it is, where the title of the check does not say it. */
  readonly body?: string | undefined;
  /** The script that led there. */
  readonly steps?: string | undefined;
  /** The command that repeats it, for a check whose seed was drawn. */
  readonly repeat?: string;
}

/** Throws the judgement as a readable message unless `fine`. */
export function judge(fine: false, judgement: Judgement): never;
export function judge(fine: boolean, judgement: Judgement): void;
export function judge(fine: boolean, judgement: Judgement): void {
  if (!fine) throw new Error(describeJudgement(judgement));
}

/** Returns the judgement as lines, and the command that repeats it. */
export function describeJudgement(judgement: Judgement): string {
  const { when, expected, happened, why, body, steps, repeat } = judgement;
  return [
    when,
    `  what happened:  ${happened}`,
    `  expected:       ${expected}`,
    `  why it matters: ${why}`,
    ...(body === undefined ? [] : [`  judged here:    ${body}`]),
    ...(steps === undefined ? [] : [`  the steps:      ${steps}`]),
    ...(repeat === undefined ? [] : ["", `to repeat: ${repeat}`]),
  ].join("\n");
}

/** Returns the body that a judgement's text names. */
export function judgedBody(message: string): string | undefined {
  return /^ {2}judged here: {4}(\w+)$/m.exec(message)?.[1];
}

/** Assertions of the core and the store, and what each protects. */
const ASSERTIONS: readonly (readonly [RegExp, Pick<Judgement, "expected" | "why">])[] = [
  [
    /is committed .*and conflicts/,
    {
      expected: "a committed entry is never replaced: a commit or acknowledgement was wrong",
      why: "a client has been told that this entry is durable (Raft section 5.4)",
    },
  ],
  [
    /^commit \d+ is beyond the log's end/,
    {
      expected: "a commit index of at most the last entry known to match the leader's",
      why: "the member would apply entries that it does not have (Raft figure 2)",
    },
  ],
  [
    /^entry \d+ after \d+/,
    {
      expected: "entries in the order of their indexes: check prevIndex, next and the truncation",
      why: "log matching holds by induction over the indexes, without a gap (Raft section 5.3)",
    },
  ],
  [
    /^election safety/,
    {
      expected: "at most one leader in a term (Raft section 5.2)",
      why: "two leaders of one term commit different commands at the same index",
    },
  ],
  [
    /^an append was sent into a full window/,
    {
      expected: "no append with entries while the progress is paused",
      why: "the window bounds what is on its way to a slow follower",
    },
  ],
  [
    /^S11/,
    {
      expected: "a membership change is durable only with the commit of the one before it",
      why: "after a crash the member could count votes by a membership that is over (SPEC, S11)",
    },
  ],
  [
    /^(compact|applied) /,
    {
      expected: "the log is compacted up to the applied index at most, which never decreases",
      why: "entries that were not applied exist nowhere else",
    },
  ],
];
const ANY_ASSERTION = {
  expected: "this invariant holds after every step",
  why: "the member ends here, before it damages its data",
};

/** Describes an assertion that failed in the reader's or the product's code as a judgement. */
export function describeAssertion(thrown: Error, when: string): string {
  const { message, stack = "" } = thrown;
  const known = ASSERTIONS.find(([pattern]) => pattern.test(message))?.[1] ?? ANY_ASSERTION;
  return `${describeJudgement({ when, happened: message, ...known })}\n${nearest(stack)}`;
}

const FRAMES_MAX = 4;

/**
 * The nearest frames of an error, or of the one that caused it: those in the reader's files first.
 */
export function framesOf(thrown: Error): string[] {
  let root = thrown;
  while (root.cause instanceof Error) root = root.cause;
  const frames = (root.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const trees = (process.env["R2K_LAB_TREES"] ?? "").split(":").filter(Boolean);
  const isOwn = (line: string) => trees.some((tree) => line.includes(`${tree}/`));
  const sorted = [...frames.filter(isOwn), ...frames.filter((line) => !isOwn(line))];
  return sorted.slice(0, FRAMES_MAX);
}

/** The nearest frames of a stack, without those of the assertion itself. */
function nearest(stack: string): string {
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  const own = frames.filter((line) => !line.includes("std/assert"));
  return own.slice(0, FRAMES_MAX).join("\n");
}
