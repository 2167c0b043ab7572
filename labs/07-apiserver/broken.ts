import { configureLog } from "@raft2kube/observe/log.ts";
import { NOT_WRITTEN } from "../check.ts";
import { describeJudgement } from "../judge.ts";

/** What a feed says when it could not follow the store, before it tries again. */
const BROKE = "the store's watch broke";

/**
 * Does work beside which other parts run: a feed tries again for ever, a flush has no caller. What
 * breaks in one of those fails the work at once, in its own words, but for watches that end as the
 * check wants it (`mayBreak`).
 */
export async function orBroken<T>(work: () => Promise<T>, mayBreak?: RegExp): Promise<T> {
  const broken = Promise.withResolvers<never>();
  // Who waits for it hears of it; when nobody does, the check has failed already.
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
    expected: "that it takes what the store sends",
    happened: `it broke: ${reason}`,
    why: "a cache that stands still answers every list and watch with the past",
  };
  const failure = new Error(NOT_WRITTEN.test(reason) ? reason : describeJudgement(judgement));
  // The place where it was thrown is not known here.
  delete failure.stack;
  return failure;
}
