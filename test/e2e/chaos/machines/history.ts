import {
  checkLinearizability,
  type Model,
  type Operation,
} from "../../../../testing/history/linearizability.ts";
import { require } from "../../../../testing/violation.ts";

/** One attempt of a request, with its place in one order of all calls and answers. */
export interface Attempt {
  readonly key: string;
  readonly write: boolean;
  readonly began: number;
  /** The place of its answer; absent when it failed: a write may have taken effect. */
  readonly ended?: number;
  /** The value that was written, or read. */
  readonly value: string;
  /** Time since the first attempt of the same request. */
  readonly took_ms: number;
  readonly failure?: string;
}

/** The state of a client's informer at the end, compared with the API's. */
export type Seen = { readonly objects: number; readonly missedByInformer: readonly string[] };

type Input = Pick<Attempt, "write" | "value">;

/** The model of an object: a register, whose reads return what was written last. */
const REGISTER: Model<string, Input, string> = {
  initial: "",
  step: (state, { write, value }, answer) => (write ? value : answer === state ? state : undefined),
  equal: (a, b) => a === b,
  hash: (state) => [...state].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 7),
};

/**
 * Throws a Violation unless all answers fit one order of the requests of each object that keeps
 * real time: no acknowledged write is lost, no read is stale. `initial` has each object's value.
 */
export function checkHistory(
  attempts: readonly Attempt[],
  initial: ReadonlyMap<string, string> = new Map(),
): void {
  for (const [key, all] of Map.groupBy(attempts, (attempt) => attempt.key)) {
    const operations = all.flatMap((one): Operation<Input, string>[] => {
      const { began, ended = Infinity, write, value, failure } = one;
      // A read without an answer is no evidence of anything.
      if (failure !== undefined && !write) return [];
      return [{ began, ended, input: { write, value }, output: value }];
    });
    const model = { ...REGISTER, initial: initial.get(key) ?? "" };
    const verdict = checkLinearizability(model, operations);
    const stuck = "stuck" in verdict ? verdict.stuck.map((at) => operations[at]) : [];
    const what = `${key}: no order fits, next would be ${JSON.stringify(stuck)}`;
    require(verdict.linearizable !== false, "no acknowledged write is lost", what);
  }
}
