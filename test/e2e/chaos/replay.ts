import type { KvOperation } from "../../../testing/history/history.ts";
import { kvLinearizable } from "../../../testing/history/history.ts";
import { isSerializable, type KvInput, kvStep, text } from "../../../testing/history/kv-model.ts";
import {
  describeRec,
  EMPTY_STATE,
  type KvEvent,
  type KvState,
} from "../../../testing/history/kv-state.ts";
import { require } from "../../../testing/violation.ts";
import { serializableKept } from "../../sim/check/serializable.ts";
import type { RevisionEvents } from "../../sim/check/watches.ts";
import type { LoggedRevision } from "./event-log.ts";
import type { Recorded } from "./recorder.ts";

/** Older states are kept for reads of old revisions; more would fill the memory in an hour. */
const PAST_STATES = 500;

/** Requests of earlier rounds whose effect is still waited for, at most. */
const OPEN_MAX = 500;

/**
 * Compares the clients' answers with the members' events of each revision, round by round. Each
 * revision must have a request: one that was answered so, or one without an answer
 * again, or a lease's end. Then the requests must fit an order.
 */
export class Replay {
  state: KvState = EMPTY_STATE;
  /** Revisions that watches are compared with. */
  readonly revisions: RevisionEvents[] = [];
  /** Requests without an answer, whose effect may still come. */
  #open: Recorded[] = [];
  checked = 0;
  /** When leases ended in the log. */
  readonly ended = new Map<bigint, number>();

  /** Checks a round whose requests have all ended, one way or the other. */
  round(log: readonly LoggedRevision[], known: readonly Recorded[], open: Recorded[]): void {
    this.#open = [...this.#open.slice(-OPEN_MAX), ...open];
    const initial = this.state;
    this.#settleQuietOnes(known);
    const byRevision = claims(known);
    const operations: KvOperation[] = [];
    const placed = new Set<Recorded>();
    // A request that changes no revision has its place between two that do.
    for (const recorded of known.filter(({ input }) => !isSerializable(input))) {
      if (changesNone(recorded)) operations.push(operation(recorded, recorded.answer!));
    }
    for (const logged of log) {
      const claim = this.#claim(logged, byRevision.get(logged.revision) ?? []);
      if (claim.recorded) placed.add(claim.recorded);
      const { input, answer } = claim;
      const recorded = claim.recorded ?? { began: 0, ended: Infinity };
      const { began, ended } = recorded;
      operations.push({ input, began, ended, output: answer, index: logged.revision });
    }
    this.#checkClaims(byRevision, placed);
    this.#open = this.#open.filter((recorded) => !placed.has(recorded));
    kvLinearizable(operations, initial);
    for (const { input, answer } of known) {
      if (isSerializable(input)) serializableKept(input, answer, this.state);
    }
    this.checked += operations.length;
    forgetPast(this.state);
  }

  /** Finds whose doing a revision was, and does it to the model. */
  #claim(logged: LoggedRevision, answered: readonly Recorded[]) {
    const { revision, what } = logged;
    const own = [...this.state.leases.keys()].map((ID) => {
      return { input: { kind: "lease-revoke", request: { ID } } as const, recorded: undefined };
    });
    const asked = [...answered, ...this.#open].map((recorded) => {
      return { input: recorded.input, recorded };
    });
    for (const { input, recorded } of [...asked, ...own]) {
      if (input.kind === "put" && !what[0]?.includes(text(input.request.value))) continue;
      const { state, answer, events } = kvStep(this.state, input);
      if (state.revision !== revision || !sameEvents(events, what)) continue;
      if (recorded?.answer !== undefined && recorded.answer !== answer) continue;
      this.#note(state, revision, events, input, logged.received_ms);
      return { input, answer, recorded };
    }
    const claimed = answered.map(({ input, answer }) => `  ${input.kind} -> ${answer}`).join("\n");
    const message = `revision ${revision} has no request:\n  ${what}\nanswered there:\n${claimed}`;
    require(false, "replay", message);
    throw new Error("unreachable");
  }

  #note(
    state: KvState,
    revision: number,
    events: readonly KvEvent[],
    input: KvInput,
    received_ms: number,
  ): void {
    this.state = state;
    if (input.kind === "lease-revoke") this.ended.set(input.request.ID, received_ms);
    const replayed = events.map(({ key, rec, previous }) => ({
      key,
      what: rec ? `PUT ${describeRec(key, rec)}` : `DELETE ${key}`,
      over: previous ? ` over ${describeRec(key, previous)}` : "",
    }));
    this.revisions.push({ revision, events: replayed });
  }

  /** An acknowledged change must be what its revision shows (S1). */
  #checkClaims(byRevision: ReadonlyMap<number, Recorded[]>, placed: ReadonlySet<Recorded>): void {
    for (const [revision, claimants] of byRevision) {
      for (const recorded of claimants) {
        const { input, answer } = recorded;
        const message = `${input.kind} answered ${answer}, but revision ${revision} is another's`;
        require(placed.has(recorded) || changesNone(recorded), "acknowledged is there", message);
      }
    }
  }

  /** Grants and compactions make no revision; they come only in the quiet time before a round. */
  #settleQuietOnes(known: readonly Recorded[]): void {
    for (const { input, answer } of known) {
      const quiet = input.kind === "compact" || input.kind === "lease-grant";
      if (quiet && answer?.startsWith("@")) this.state = kvStep(this.state, input).state;
    }
  }
}

/** Answered requests that may have made a revision, by the revision of their answer. */
function claims(known: readonly Recorded[]): Map<number, Recorded[]> {
  const found = new Map<number, Recorded[]>();
  for (const recorded of known) {
    if (changesNone(recorded)) continue;
    const revision = Number.parseInt(recorded.answer!.slice(1), 10);
    found.set(revision, [...(found.get(revision) ?? []), recorded]);
  }
  return found;
}

/**
 * Whether the answer alone shows that nothing changed: a read, a refusal, a deletion of nothing, a
 * transaction that only read.
 */
function changesNone({ input, answer }: Recorded): boolean {
  if (!answer?.startsWith("@")) return true;
  switch (input.kind) {
    case "put":
    case "lease-revoke":
      return false;
    case "delete-range":
      return answer.endsWith(" deleted 0");
    case "txn": {
      const operations = answer.slice(answer.indexOf("(") + 1, -1).split("; ");
      const wrote = (each: string) => each.startsWith("put") || /^deleted [1-9]/.test(each);
      return !operations.some(wrote);
    }
    default:
      return true;
  }
}

function operation({ input, began, ended }: Recorded, output: string): KvOperation {
  return { input, began, ended, output };
}

function sameEvents(events: readonly KvEvent[], what: readonly string[]): boolean {
  if (events.length !== what.length) return false;
  return events.every(({ key, rec }, i) => {
    return what[i] === (rec ? `PUT ${describeRec(key, rec)}` : `DELETE ${key}`);
  });
}

function forgetPast(state: KvState): void {
  let at: KvState | undefined = state;
  for (let i = 0; i < PAST_STATES && at; i++) at = at.past;
  if (at) Object.assign(at, { past: undefined });
}
