import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { idleClock } from "../idle-clock.ts";
import { judge } from "../judge.ts";
import type { Member } from "./members.ts";

/**
 * How long an election and as many writes may take, by the idle clock: the time in which the
 * members wait for a processor does not count.
 */
export const PROGRESS_MS_MAX = 30_000;
const POLL_MS = 50;

interface Progress {
  /** The situation of the members, and what must come of it. */
  readonly when: string;
  readonly expected: string;
  readonly members: readonly Pick<Member, "id" | "failure">[];
  readonly condition: () => Promise<boolean>;
}

interface Clocks {
  /** Times the polls. */
  readonly wall: Clock;
  /** Times how long the members may take. */
  readonly idle: Pick<Clock, "monotonic">;
}

const CLOCKS: Clocks = { wall: systemClock(), idle: idleClock };

/**
 * Resolves when the condition holds. Throws a judgement when a member has ended by itself, or when
 * PROGRESS_MS_MAX have passed on the idle clock.
 */
export async function awaitProgress(
  { when, expected, members, condition }: Progress,
  { wall, idle }: Clocks = CLOCKS,
): Promise<void> {
  const end_ms = idle.monotonic() + PROGRESS_MS_MAX;
  while (!(await condition())) {
    const ended = members.find(({ failure }) => failure !== undefined);
    judge(ended === undefined, {
      when,
      expected: "every member runs until it is killed",
      happened: `member ${ended?.id} ended by itself: ${ended?.failure}`,
      why: "a member ends itself rather than continue with data that others contradict",
    });
    judge(idle.monotonic() < end_ms, {
      when,
      expected: `${expected}, within ${PROGRESS_MS_MAX / 1_000} s`,
      happened: "it did not come to that, although no member waited for a processor",
      why: "a connected majority must make progress (Raft section 5.3), or every client hangs",
    });
    await delay(wall, POLL_MS);
  }
}
