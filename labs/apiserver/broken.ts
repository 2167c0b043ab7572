import { configureLog } from "@raft2kube/observe/log.ts";
import { NOT_WRITTEN } from "../check.ts";
import { describeJudgement } from "../judge.ts";

/** The line that a feed logs when its watch fails, before it retries. */
const BROKE = "the store's watch broke";

/**
 * Runs `work` while other parts run in the background: a feed retries without end, a flush has no
 * caller. An error in one of them fails the work immediately, except for watches that the check
 * breaks itself (`mayBreak`).
 */
export async function orBroken<T>(work: () => Promise<T>, mayBreak?: RegExp): Promise<T> {
  const broken = Promise.withResolvers<never>();
  // The race below reports it; after the race the check has ended already.
  broken.promise.catch(() => undefined);
  const fail = (thrown: unknown) => broken.reject(thrown);
  const write = (line: string) => {
    const { msg, reason = "" } = JSON.parse(line) as { msg?: string; reason?: string };
    if (msg === BROKE && mayBreak?.test(reason) !== true) fail(asFailure(reason));
  };
  configureLog({ level: "warn", stream: { write } });
  process.on("uncaughtException", fail);
  try {
    return await Promise.race([work(), broken.promise]);
  } finally {
    process.off("uncaughtException", fail);
  }
}

function asFailure(reason: string): Error {
  const judgement = {
    when: "the cache follows the store",
    expected: "it applies the store's events",
    happened: `it failed: ${reason}`,
    why: "a cache that no longer follows the store serves stale lists and watches",
  };
  const failure = new Error(NOT_WRITTEN.test(reason) ? reason : describeJudgement(judgement));
  // The place where it was thrown is not known here.
  delete failure.stack;
  return failure;
}
