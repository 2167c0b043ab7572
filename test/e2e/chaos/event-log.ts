import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { require } from "../../../testing/violation.ts";
import { described } from "../../sim/workload/watching.ts";
import type { ChaosMember } from "./member.ts";

const FIRST_REVISION = 2;
const RETRY_MS = 100;
const EVERYTHING = Buffer.from([0]);

/** One revision as a member reported it. */
export interface LoggedRevision {
  readonly revision: number;
  /** `PUT key=...` or `DELETE key`, in the order of their sub-revisions. */
  readonly what: readonly string[];
  /** When the first member reported it. */
  readonly received_ms: number;
}

/**
 * The events of all revisions from all members, by a watch of everything on each, resumed when it
 * breaks. No two members may report a revision differently (S3, S5).
 */
export class EventLog {
  /** Revisions from the first one on, without a gap. */
  readonly revisions: LoggedRevision[] = [];
  readonly #received = new Map<string, number>();
  #broken: unknown;
  #stopped = false;

  /** The newest revision that a member has reported. */
  receivedFrom(member: ChaosMember): number {
    return this.#received.get(member.name) ?? FIRST_REVISION - 1;
  }

  get newest(): number {
    return FIRST_REVISION - 1 + this.revisions.length;
  }

  /** Throws the violation that a follower has found. */
  throwIfBroken(): void {
    if (this.#broken) throw this.#broken;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Follows a member through all its lives. */
  follow(member: ChaosMember): void {
    const work = async () => {
      while (!this.#stopped) {
        await this.#once(member);
        await delay(systemClock(), RETRY_MS);
      }
    };
    work().catch((thrown: unknown) => {
      this.#broken ??= thrown;
    });
  }

  async #once(member: ChaosMember): Promise<void> {
    const stream = member.watcher.watch({ requireLeader: false });
    const startRevision = this.receivedFrom(member) + 1;
    stream.create({ key: EVERYTHING, rangeEnd: EVERYTHING, startRevision });
    try {
      for await (const response of stream) {
        if (this.#stopped || response.canceled) return;
        this.#take(member, response);
      }
    } catch (thrown) {
      // The member went away: the watch goes on where it was when it is back.
      if (!(thrown instanceof EtcdError)) throw thrown;
    } finally {
      stream.close();
    }
  }

  #take(member: ChaosMember, { events }: WatchResponse): void {
    const byRevision = new Map<number, string[]>();
    for (const { revision, what } of events.map(described)) {
      byRevision.set(revision, [...(byRevision.get(revision) ?? []), what]);
    }
    for (const [revision, what] of byRevision) this.#one(member, revision, what);
  }

  #one(member: ChaosMember, revision: number, what: string[]): void {
    const due = this.receivedFrom(member) + 1;
    const order = `${member.name} reported revision ${revision} after ${due - 1}`;
    require(revision === due, "watch of everything", order);
    this.#received.set(member.name, revision);
    const known = this.revisions[revision - FIRST_REVISION];
    if (!known) {
      this.revisions.push({ revision, what, received_ms: performance.now() });
      return;
    }
    const message = `${member.name} at ${revision} has\n  ${what}\nothers\n  ${known.what}`;
    require(known.what.join() === what.join(), "members agree", message);
  }
}
