import { type KvInput, kvStep } from "./kv-model.ts";
import { EMPTY_STATE, type KvState } from "./kv-state.ts";
import { type Operation, type Model, checkLinearizability } from "./linearizability.ts";
import { require } from "./violation.ts";

/** A request as its client saw it, with its answer in the model's words. */
export type KvOperation = Operation<KvInput, string>;

/** Which keys, revisions and leases a state has follows from these, given what led to it. */
function nameOf({ revision, compacted, leases }: KvState): string {
  return `${revision} ${compacted} ${[...leases.keys()].join(",")}`;
}

/**
 * The store as one that answers requests one after the other. An answer names the revision it was
 * given at, so most requests fit one place only, which keeps the search short.
 */
export const KV_MODEL: Model<KvState, KvInput, string> = {
  initial: EMPTY_STATE,
  name: nameOf,
  step(state, input, output) {
    if (!mayAnswer(state, output)) return undefined;
    const { answer, state: next } = kvStep(state, input);
    return answer === output ? next : undefined;
  },
};

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
 * Calls without an answer, given the bounds that follow from their revision: behind the beginning
 * of all that was answered at an earlier one, before the end of all answered at a later one. It
 * rules out nothing that fits, and spares the search from trying them everywhere.
 */
function tightened(operations: readonly KvOperation[]): KvOperation[] {
  const heard = operations
    .filter(({ ended, output }) => ended < Infinity && output.startsWith("@"))
    .map(({ began, ended, output }) => ({ began, ended, revision: revisionOf(output) }));
  return operations.map((operation) => {
    const { began, ended, output } = operation;
    if (ended < Infinity) return operation;
    const revision = revisionOf(output);
    let from = began;
    let to = Infinity;
    for (const each of heard) {
      if (each.revision < revision) from = Math.max(from, each.began + 0.25);
      if (each.revision > revision) to = Math.min(to, each.ended + 0.25);
    }
    return { ...operation, began: from, ended: to };
  });
}

/** The requests and answers of all clients are those of one store in one order (S2). */
export function kvLinearizable(operations: readonly KvOperation[]): void {
  const verdict = checkLinearizability(KV_MODEL, tightened(operations));
  if (verdict.linearizable === true) return;
  if (verdict.linearizable === "unknown") {
    require(false, "linearizability", "the search was given up: make the history shorter");
  }
  const lines = verdict.stuck.slice(0, 12).map((i) => `  ${describeOperation(operations[i]!)}`);
  const message =
    `${verdict.prefix.length} of ${operations.length} requests fit an order; no place for any of\n` +
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
