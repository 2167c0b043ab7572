import { type KvInput, kvStep } from "../../../testing/history/kv-model.ts";
import { type KvState, stateAt } from "../../../testing/history/kv-state.ts";
import { require } from "../../../testing/violation.ts";

/**
 * A serializable read may be old, but is whole: it answers what was there at the revision that its
 * own header names (S3). `answer` is undefined when there was none.
 */
export function serializableKept(input: KvInput, answer: string | undefined, state: KvState): void {
  if (!answer?.startsWith("@")) return;
  const revision = Number.parseInt(answer.slice(1), 10);
  require(revision <= state.revision, "serializable", `${answer} is ahead of ${state.revision}`);
  const { answer: due } = kvStep(stateAt(state, revision), input);
  require(answer === due, "serializable", `answered\n  ${answer}\nnot\n  ${due}`);
}
