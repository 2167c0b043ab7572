import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { KvOperation } from "../../../testing/history/history.ts";
import { isSerializable, type KvInput } from "../../../testing/history/kv-model.ts";
import { require } from "../../../testing/violation.ts";
import type { HashSeen } from "../check/kv-hash.ts";
import { type ReferenceLog, ticketName } from "../check/reference.ts";
import { serializableKept } from "../check/serializable.ts";
import type { Generation } from "../cluster/generation.ts";
import type { Counters } from "../world/counters.ts";

/** A request from its call to its answer. */
export interface Recorded {
  client: string;
  input: KvInput;
  began: number;
  ended: number;
  /** The answer in the model's words; undefined while it is open whether it took effect. */
  answer: string | undefined;
  /** The store's own mark on it in the log; undefined for what does not go through the log. */
  ticket: string | undefined;
}

/** All requests of all clients, in one order of calls and answers. */
export class Recorder {
  readonly all: Recorded[] = [];
  /** Members' answers to HashKV. */
  readonly hashes: HashSeen[] = [];
  /** How many of them a quorum has answered: a serializable read takes none. */
  answered = 0;
  /** The term of each proposal that is valid in one only. */
  readonly #bound = new Map<string, number>();
  readonly #counters: Counters;
  #counter = 0;
  #current: Recorded | undefined;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Records which proposal a request becomes, in one generation of a member. */
  listen({ replica, session }: Generation): void {
    const propose = replica.propose.bind(replica);
    let sequence = 0;
    replica.propose = (command, done, timeout_ms) => {
      sequence++;
      if (this.#current) this.#current.ticket = ticketName(session, sequence);
      propose(command, done, timeout_ms);
    };
    // The leader's own proposals take tickets too, but for those that it refuses immediately.
    const proposeOwn = replica.proposeInTerm.bind(replica);
    replica.proposeInTerm = (command, done) => {
      const { isLeader, state } = replica.raft;
      if (isLeader) this.#bound.set(ticketName(session, ++sequence), state.term);
      proposeOwn(command, (outcome) => {
        const ended = isEtcdError(outcome.error, "leaderChanged") && replica.raft.isLeader;
        if (ended) this.#counters.note("own proposal of an earlier term ended");
        done(outcome);
      });
    };
  }

  /** Notes a request and makes it: `call` proposes, if it does, before it returns. */
  begin<T>(client: string, input: KvInput, call: () => Promise<T>): [Recorded, Promise<T>] {
    const began = ++this.#counter;
    const recorded: Recorded = {
      client,
      input,
      began,
      ended: Infinity,
      answer: undefined,
      ticket: undefined,
    };
    this.all.push(recorded);
    this.#current = recorded;
    try {
      return [recorded, call()];
    } finally {
      this.#current = undefined;
    }
  }

  end(recorded: Recorded, answer: string): void {
    recorded.ended = ++this.#counter;
    recorded.answer = answer;
    if (!isSerializable(recorded.input)) this.answered++;
  }

  /**
   * The history to check: what was answered; what was not, if the log has it; and what the store
   * did by itself. Each proposal must be in the log once at most, an acknowledged one once.
   */
  history(reference: ReferenceLog): KvOperation[] {
    for (const [ticket, term] of this.#bound) {
      for (const { term: found, index, input } of reference.applied(ticket)) {
        const message = () => `the ${input.kind} at ${index}, of term ${term}, is in ${found}`;
        require(found === term, "in its term only", message);
      }
    }
    const known = new Set<string>();
    const operations: KvOperation[] = [];
    for (const { client, input, began, ended, answer, ticket } of this.all) {
      if (ticket) known.add(ticket);
      const applied = ticket ? reference.applied(ticket) : [];
      const where = applied.map(({ index }) => index).join(", ");
      const recorded = answer ?? "no answer";
      const message = `a request of ${client} (${recorded}) is at [${where}] of the log`;
      require(applied.length <= 1, "applied once", message);
      const acknowledged = answer !== undefined && ticket !== undefined;
      require(!acknowledged || applied.length === 1, "acknowledged is in the log", message);
      const output = answer ?? applied[0]?.answer;
      const index = applied[0]?.index;
      if (isSerializable(input)) serializableKept(input, answer, reference.state);
      else if (output !== undefined) operations.push({ input, began, ended, output, index });
    }
    for (const { input, answer: output, index } of reference.others(known)) {
      operations.push({ input, began: 0, ended: Infinity, output, index });
    }
    // A refused request without an answer to its client changed nothing and is not checked.
    return operations.filter(({ ended, output }) => ended < Infinity || output.startsWith("@"));
  }
}
