import type { AppendMessage, Message } from "@raft2kube/store/core/message.ts";
import type { RaftState } from "@raft2kube/store/core/state.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { require } from "../../violation.ts";

/**
 * A follower commits what it knows to be its leader's: by an append no further than its last entry
 * (Raft figure 2, receiver rule 5), by a heartbeat what appends of the term have shown to fit, and
 * else a snapshot, or an entry that a ballot names by index and term.
 */
export class Fits {
  /** Up to where each member's log is that of the leader of a term; a crash may forget a term. */
  readonly #fits = new Map<string, number>();

  /** A message comes in. */
  before({ id, term, log }: RaftState, message: Message): void {
    if (message.term < term) return;
    if (message.kind === "snapshot") this.#note(id, message.term, message.mark.index);
    if (message.kind !== "append" || log.term(message.prevIndex) !== message.prevTerm) return;
    this.#note(id, message.term, lastOf(message));
  }

  /** Checks a follower's commit index after a message has moved it. */
  committed({ id, term, log }: RaftState, message: Message | undefined): void {
    const { committed } = log;
    const named = message?.kind === "vote" || message?.kind === "vote-reply";
    if (named && message.commit >= committed && log.term(message.commit) === message.commitTerm) {
      return;
    }
    const shown = this.#fits.get(`${id}/${term}`) ?? 0;
    const index = message?.kind === "append" ? lastOf(message) : shown;
    const text = () => `${id} commits ${committed} in term ${term}, its log fits up to ${index}`;
    require(committed <= index, "commits what fits", text);
  }

  #note(id: MemberId, term: number, index: number): void {
    const name = `${id}/${term}`;
    this.#fits.set(name, Math.max(index, this.#fits.get(name) ?? 0));
  }
}

const lastOf = ({ prevIndex, entries }: AppendMessage): number => prevIndex + entries.length;
