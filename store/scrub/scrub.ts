import { logger } from "@raft2kube/observe/log.ts";
import { AlarmRequest_AlarmAction as Action, AlarmType } from "@raft2kube/proto/gen/etcd.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { CommitConflict, MemberId } from "../core/types.ts";
import { type EtcdContext, propose, readBarrier } from "../etcd/request/context.ts";
import { hashKv } from "../mvcc/persist/hash.ts";
import { memberCorrupt } from "../node/corruption.ts";
import { both, judge, type Testimony, type Verdict } from "./judge.ts";
import { askForHash } from "./peer-hash.ts";

const log = logger("scrub");

/** Member of an alarm when some member is wrong, and it is not known which (as etcd's). */
const UNKNOWN_MEMBER = 0n;

/**
 * Compares the members' records now and then, and raises the CORRUPT alarm for the one that
 * differs (S8; etcd's --corrupt-check-time). The leader does, reading all of the backend.
 */
export class Scrub {
  readonly #context: EtcdContext;
  readonly #interval_ms: number;
  readonly #checks: Runner;
  readonly #stopping = Promise.withResolvers<undefined>();

  /** Compares at intervals; with an interval of 0 only on request. */
  constructor(context: EtcdContext, interval_ms: number) {
    this.#context = context;
    this.#interval_ms = interval_ms;
    this.#checks = new Runner({
      clock: context.clock,
      max_ms: interval_ms,
      retry: { first_ms: interval_ms, most_ms: interval_ms },
      run: () => this.#check(),
      report: failureLog(log, "members were not compared"),
    });
  }

  start(): void {
    if (this.#interval_ms > 0) this.#checks.request(this.#interval_ms);
  }

  async stop(): Promise<void> {
    this.#stopping.resolve(undefined);
    await this.#checks.close();
  }

  /** Raises the alarm for a member that has committed something else than this one, which leads. */
  reportConflict({ member, index, term }: CommitConflict): void {
    const reason = "a member has committed another entry";
    raiseCorrupt(this.#context, member, reason, { index, term }).catch((thrown: unknown) => {
      log.warn("the CORRUPT alarm was not raised", { index, reason: messageOf(thrown) });
    });
  }

  async #check(): Promise<void> {
    if (!this.#context.replica.raft.isLeader) return;
    await raise(this.#context, await compareTwice(this.#context, this.#stopping.promise));
  }
}

/**
 * Runs before this member serves: throws if its records differ from those of the others (etcd's
 * InitialCorruptCheck). If they differ and there is no majority, it does not start either.
 */
export async function checkAtStart(context: EtcdContext): Promise<void> {
  const { memberId } = context.state.identity;
  const verdict = await compareTwice(context);
  if (verdict.kind === "agree") return;
  if (verdict.kind === "corrupt" && !verdict.members.includes(memberId)) return;
  throw memberCorrupt(memberId);
}

/** `ended` resolves when the result is no longer needed. */
async function compareTwice(context: EtcdContext, ended = NEVER): Promise<Verdict> {
  const first = await compare(context, ended);
  return first.kind === "agree" ? first : both(first, await compare(context, ended));
}

const NEVER = new Promise<undefined>(() => undefined);

/** Asks all members about this moment's revision. */
async function compare(context: EtcdContext, ended: Promise<undefined>): Promise<Verdict> {
  const { state } = context;
  await readBarrier(context);
  const { memberId } = state.identity;
  const others = state.members.values().filter(({ ID }) => ID !== memberId);
  if (others.length === 0) return { kind: "agree" };
  const own = await hashKv(state, 0, context);
  const answers = await Promise.all(
    others.map(async ({ ID: member }): Promise<Testimony | undefined> => {
      const answer = await Promise.race([askForHash(context, member, own.revision), ended]);
      if (!answer) return undefined;
      const { hash, hashRevision: revision, compactRevision } = answer;
      return { member, hash, revision, compactRevision };
    }),
  );
  const testimonies = answers.filter((answer) => answer !== undefined);
  return judge([{ member: memberId, ...own }, ...testimonies], others.length + 1);
}

async function raise(context: EtcdContext, verdict: Verdict): Promise<void> {
  if (verdict.kind === "agree") return;
  const members = verdict.kind === "corrupt" ? verdict.members : [UNKNOWN_MEMBER];
  for (const memberID of members) await raiseCorrupt(context, memberID, "a member's data differs");
}

/** Raises the CORRUPT alarm for a member, unless it is on. */
async function raiseCorrupt(
  context: EtcdContext,
  memberID: MemberId,
  reason: string,
  details: Record<string, number> = {},
): Promise<void> {
  const named = { memberID, alarm: AlarmType.CORRUPT };
  if (context.state.alarms.isOn(named)) return;
  log.error(reason, { member: memberID.toString(16), ...details });
  const request = { ...named, action: Action.ACTIVATE };
  await propose(context, { kind: "alarm", request });
}
