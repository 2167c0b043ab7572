import { require } from "../violation.ts";
import { type KvInput, kvStep } from "./kv-model.ts";
import { EMPTY_STATE, type KvState } from "./kv-state.ts";
import { checkLinearizability, type Model, type Operation } from "./linearizability.ts";
import { scrambled } from "./placed-set.ts";

/** A request as its client saw it, with its answer in the model's words. */
export interface KvOperation extends Operation<KvInput, string> {
  /** Where it stands in the log, when that is known. */
  index?: number | undefined;
}

/** Which keys and revisions a state has follows from these, given what led to it. */
function equalStates(a: KvState, b: KvState): boolean {
  if (a.revision !== b.revision || a.compacted !== b.compacted) return false;
  if (a.leases === b.leases) return true;
  return a.leases.size === b.leases.size && [...a.leases.keys()].every((id) => b.leases.has(id));
}

function hashState({ revision, compacted, leases }: KvState): number {
  return scrambled(scrambled(scrambled(revision) ^ compacted) ^ leases.size);
}

/**
 * The store as one that answers requests one after the other. An answer names the revision it was
 * given at, so most requests fit one place only, which keeps the search short.
 */
export const KV_MODEL: Model<KvState, KvInput, string> = {
  initial: EMPTY_STATE,
  equal: equalStates,
  hash: hashState,
  step(state, input, output) {
    if (!mayAnswer(state, output)) return undefined;
    const { answer, state: next } = kvStep(state, input);
    return sameAnswer(answer, output) ? next : undefined;
  },
};

/** Clients do not learn how many keys a lease had; the log's answer has the count. */
function sameAnswer(answer: string, output: string): boolean {
  return answer === output || (output.endsWith(" revoked") && answer.startsWith(`${output} with`));
}

/** An answer at a revision fits before that revision or in it, or not at all. */
function mayAnswer(state: KvState, output: string): boolean {
  if (!output.startsWith("@")) return true;
  const revision = Number.parseInt(output.slice(1), 10);
  return revision === state.revision || revision === state.revision + 1;
}

function revisionOf(output: string): number {
  return output.startsWith("@") ? Number.parseInt(output.slice(1), 10) : Number.NaN;
}

/**
 * Calls with the bounds that follow from the revision they were answered at: after the start of
 * every call answered at an earlier one, before the end of every call answered at a later one. It
 * rules out nothing that fits, and spares the search from trying calls everywhere.
 */
function tightened(operations: readonly KvOperation[]): KvOperation[] {
  const last = Math.max(0, ...operations.map(({ output }) => revisionOf(output) || 0));
  const begunBy = new Array<number>(last + 2).fill(-Infinity);
  const endedFrom = new Array<number>(last + 2).fill(Infinity);
  for (const { began, ended, output } of operations) {
    const revision = revisionOf(output);
    if (Number.isNaN(revision)) continue;
    begunBy[revision] = Math.max(begunBy[revision]!, began);
    endedFrom[revision] = Math.min(endedFrom[revision]!, ended);
  }
  for (let at = 1; at <= last; at++) begunBy[at] = Math.max(begunBy[at]!, begunBy[at - 1]!);
  for (let at = last; at > 0; at--) endedFrom[at] = Math.min(endedFrom[at]!, endedFrom[at + 1]!);
  return operations.map((operation) => {
    const revision = revisionOf(operation.output);
    if (Number.isNaN(revision)) return operation;
    const began = Math.max(operation.began, begunBy[revision - 1]! + 0.25);
    const ended = Math.min(operation.ended, endedFrom[revision + 1]! + 0.25);
    return { ...operation, began, ended };
  });
}

/** The store's state, and how many of the calls with a place in the log it has taken. */
type Placed = { readonly state: KvState; readonly logged: number };

/** An input, and which of those with a place in the log it is. */
type Ranked = { readonly input: KvInput; readonly rank: number | undefined };

/**
 * The same model, with those calls taken in the log's order only: members apply them in no other.
 * Otherwise calls without a client, as at a lease's expiry, would be tried in every order.
 */
const LOGGED_MODEL: Model<Placed, Ranked, string> = {
  initial: { state: KV_MODEL.initial, logged: 0 },
  equal: (a, b) => a.logged === b.logged && equalStates(a.state, b.state),
  hash: ({ state, logged }) => scrambled(hashState(state) ^ logged),
  step({ state, logged }, { input, rank }, output) {
    if (rank !== undefined && rank !== logged) return undefined;
    const next = KV_MODEL.step(state, input, output);
    return next && { state: next, logged: rank === undefined ? logged : logged + 1 };
  },
};

function ranked(operations: readonly KvOperation[]): Operation<Ranked, string>[] {
  const logged = operations.filter(({ index }) => index !== undefined);
  logged.sort((a, b) => a.index! - b.index!);
  const ranks = new Map(logged.map((operation, rank) => [operation, rank]));
  return operations.map((operation) => {
    return { ...operation, input: { input: operation.input, rank: ranks.get(operation) } };
  });
}

/** A time shorter than that between any two calls or answers. */
const INSTANT = 1e-6;

/**
 * Calls whose place in the log is known come in its order: none may start after a later one has
 * ended. With their bounds drawn accordingly, the search tries that order first.
 */
function inLogOrder(operations: readonly KvOperation[]): KvOperation[] {
  const logged = operations.filter(({ index }) => index !== undefined);
  logged.sort((a, b) => a.index! - b.index!);
  const bounds = new Map<KvOperation, { began: number; ended: number }>();
  let began = -Infinity;
  for (const operation of logged) {
    began = Math.max(began + INSTANT, operation.began);
    bounds.set(operation, { began, ended: operation.ended });
  }
  let ended = Infinity;
  for (const operation of logged.reverse()) {
    const bound = bounds.get(operation)!;
    ended = Math.min(ended, bound.ended);
    const message = () => `${describeOperation(operation)}\n  began after one behind it ended`;
    require(bound.began < ended, "linearizability", message);
    bound.ended = ended;
  }
  return operations.map((operation) => ({ ...operation, ...bounds.get(operation) }));
}

/**
 * The requests and answers of all clients are those of one store in one order (S2). `initial` is
 * what it had before the first of them.
 */
export function kvLinearizable(
  operations: readonly KvOperation[],
  initial: KvState = EMPTY_STATE,
): void {
  const model = { ...LOGGED_MODEL, initial: { state: initial, logged: 0 } };
  const verdict = checkLinearizability(model, ranked(inLogOrder(tightened(operations))));
  if (verdict.linearizable === true) return;
  const lines = verdict.stuck.slice(0, 12).map((i) => `  ${describeOperation(operations[i]!)}`);
  const given = verdict.linearizable === "unknown" ? "the search was given up: " : "";
  const message =
    `${given}${verdict.prefix.length} of ${operations.length} requests fit an order; ` +
    "no place for any of\n" +
    lines.join("\n");
  require(false, "linearizability", message);
}

export function describeOperation({ began, ended, input, output }: KvOperation): string {
  return `[${began}, ${ended}] ${describeInput(input)} -> ${output}`;
}

/** A request in one line. */
export function describeInput(input: KvInput): string {
  const shown = (_: string, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    const buffer = value as { type?: string; data?: number[] } | null;
    if (buffer?.type === "Buffer") return Buffer.from(buffer.data!).toString("latin1");
    const empty = value === "" || value === 0 || value === false || value === undefined;
    return empty ? undefined : value;
  };
  return `${input.kind} ${JSON.stringify(input.request, shown)}`;
}
