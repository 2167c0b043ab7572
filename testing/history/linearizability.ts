import { type PlacedCalls, PlacedSet } from "./placed-set.ts";

/** A call and its answer. `ended` is infinite without an answer. */
export interface Operation<I, O> {
  /** Places in one order of all calls and answers: a counter, not a clock. */
  began: number;
  ended: number;
  input: I;
  output: O;
}

/** The sequential specification: a state, and its answer to each input. */
export interface Model<S, I, O> {
  initial: S;
  /** The state after `input` if `output` is a right answer to it, undefined if it is not. */
  step(state: S, input: I, output: O): S | undefined;
  /** Whether all that can follow one state can follow the other. */
  equal(a: S, b: S): boolean;
  /** 32 bits, alike for equal states: only states of one hash are compared. */
  hash(state: S): number;
}

export type Verdict =
  | { linearizable: true }
  /** The longest order that fits, as indexes of operations, and those that fit no further. */
  | { linearizable: false; prefix: number[]; stuck: number[] }
  | { linearizable: "unknown"; prefix: number[]; stuck: number[] };

/** One end of a call in the list of those that have no place in the order yet. */
interface Point {
  operation: number;
  isCall: boolean;
  match: Point | undefined;
  before: Point | undefined;
  after: Point | undefined;
}

/**
 * Whether an order of the calls exists that the model answers alike and that keeps the order of
 * real time (Herlihy and Wing). The search is Wing and Gong's with Lowe's memory of states seen:
 * take the first call that may come next, continue, and backtrack when an answer is reached whose
 * call found no place. Gives up as unknown after `steps_max`.
 */
export function checkLinearizability<S, I, O>(
  model: Model<S, I, O>,
  operations: readonly Operation<I, O>[],
  steps_max = 2_000_000,
): Verdict {
  const head = timeline(operations);
  const placed = new PlacedSet(operations.length);
  const seen = new SeenStates(model);
  const chosen: { point: Point; state: S }[] = [];
  let longest: number[] = [];
  let state = model.initial;
  let at = head.after;
  for (let steps = 0; at; steps++) {
    if (steps > steps_max) return { linearizable: "unknown", ...explain(operations, longest) };
    if (at.isCall) {
      const { input, output } = operations[at.operation]!;
      const next = model.step(state, input, output);
      if (next !== undefined) {
        placed.add(at.operation);
        if (seen.add(placed, next)) {
          chosen.push({ point: at, state });
          state = next;
          lift(at);
          at = head.after;
          continue;
        }
        placed.remove(at.operation);
      }
      at = at.after;
      continue;
    }
    if (chosen.length >= longest.length) longest = chosen.map(({ point }) => point.operation);
    const last = chosen.pop();
    if (!last) return { linearizable: false, ...explain(operations, longest) };
    state = last.state;
    placed.remove(last.point.operation);
    unlift(last.point);
    at = last.point.after;
  }
  return { linearizable: true };
}

/** Calls and answers in their order; a call without an answer may also find no place at all. */
function timeline<I, O>(operations: readonly Operation<I, O>[]): Point {
  const points: { at: number; point: Point }[] = [];
  operations.forEach(({ began, ended }, operation) => {
    const none = { before: undefined, after: undefined, match: undefined };
    const call: Point = { operation, isCall: true, ...none };
    points.push({ at: began, point: call });
    if (ended === Infinity) return;
    const answer: Point = { operation, isCall: false, ...none };
    call.match = answer;
    points.push({ at: ended, point: answer });
  });
  points.sort((a, b) => a.at - b.at);
  const head: Point = {
    operation: -1,
    isCall: false,
    match: undefined,
    before: undefined,
    after: undefined,
  };
  let last = head;
  for (const { point } of points) {
    last.after = point;
    point.before = last;
    last = point;
  }
  return head;
}

function lift(call: Point): void {
  unlink(call);
  if (call.match) unlink(call.match);
}

function unlift(call: Point): void {
  if (call.match) link(call.match);
  link(call);
}

function unlink(point: Point): void {
  if (point.before) point.before.after = point.after;
  if (point.after) point.after.before = point.before;
}

function link(point: Point): void {
  if (point.before) point.before.after = point;
  if (point.after) point.after.before = point;
}

/** A state that the search has been in, and the one before it of the same hash. */
interface Seen<S> {
  readonly placed: PlacedCalls;
  readonly state: S;
  readonly other: Seen<S> | undefined;
}

/** Which states the search has been in, and with which calls placed: none is searched twice. */
class SeenStates<S> {
  readonly #model: Pick<Model<S, never, never>, "equal" | "hash">;
  readonly #byHash = new Map<number, Seen<S>>();

  constructor(model: Pick<Model<S, never, never>, "equal" | "hash">) {
    this.#model = model;
  }

  /** Adds a configuration; returns false when it was there before. */
  add(placed: PlacedSet, state: S): boolean {
    const hash = placed.hash ^ this.#model.hash(state);
    const first = this.#byHash.get(hash);
    for (let seen = first; seen; seen = seen.other) {
      if (placed.equals(seen.placed) && this.#model.equal(seen.state, state)) return false;
    }
    this.#byHash.set(hash, { placed: placed.copy(), state, other: first });
    return true;
  }
}

function explain<I, O>(operations: readonly Operation<I, O>[], prefix: number[]) {
  const placed = new Set(prefix);
  const open = operations.map((_, i) => i).filter((i) => !placed.has(i));
  const firstEnd = Math.min(...open.map((i) => operations[i]!.ended));
  return { prefix, stuck: open.filter((i) => operations[i]!.began <= firstEnd) };
}
