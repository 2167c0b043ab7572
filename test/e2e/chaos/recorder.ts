import { describeAnswer, describeRefusal } from "../../../testing/history/answers.ts";
import type { KvInput } from "../../../testing/history/kv-model.ts";
import { perform } from "../../sim/workload/perform.ts";
import type { ChaosMember } from "./member.ts";

/** A request from its call to its answer. */
export interface Recorded {
  readonly input: KvInput;
  readonly began: number;
  ended: number;
  /** The answer in the model's words; undefined while it is open whether it took effect. */
  answer: string | undefined;
}

/** All requests of a round, in one order of calls and answers. */
export class Recorder {
  #all: Recorded[] = [];
  #counter = 0;
  answered = 0;
  unanswered = 0;

  /** Makes a request and records it; undefined when it failed or was refused. */
  async request(
    member: ChaosMember,
    input: KvInput,
    timeout_ms: number,
  ): Promise<{ header?: { revision: number } | undefined } | undefined> {
    const began = ++this.#counter;
    const recorded: Recorded = { input, began, ended: Infinity, answer: undefined };
    this.#all.push(recorded);
    try {
      const response = await perform(member.client, input, { timeout_ms });
      recorded.answer = describeAnswer(input.kind as never, response as never);
      this.answered++;
      return response as { header?: { revision: number } };
    } catch (thrown) {
      recorded.answer = describeRefusal(thrown);
      if (recorded.answer === undefined) this.unanswered++;
      return undefined;
    } finally {
      if (recorded.answer !== undefined) recorded.ended = ++this.#counter;
    }
  }

  /** Returns the recorded calls; those without an answer may still show in a later round. */
  take(): { known: Recorded[]; open: Recorded[] } {
    const known = this.#all.filter(({ answer }) => answer !== undefined);
    const open = this.#all.filter(({ answer }) => answer === undefined);
    this.#all = [];
    return { known, open };
  }
}
