import type { Message } from "@raft2kube/store/core/message.ts";
import type { RaftState } from "@raft2kube/store/core/state.ts";
import type { CoreEvent } from "../../../testing/raft/observe.ts";

/**
 * Which events came into a core in which state, both reduced to what the protocol distinguishes. A
 * pair that is rare in a run marks a moment at which a fault may show what the rest does not.
 */
export class Coverage {
  readonly #pairs = new Map<string, number>();

  /** Pairs seen so far. */
  get size(): number {
    return this.#pairs.size;
  }

  /** How often this pair, with what `more` is known of it, was seen before. */
  note(state: RaftState, event: CoreEvent, message: Message | undefined, more: string): number {
    const pair = `${describe(state)} ${event}${message ? detail(state, message) : ""}${more}`;
    const before = this.#pairs.get(pair) ?? 0;
    this.#pairs.set(pair, before + 1);
    return before;
  }
}

const flag = (name: string, set: boolean) => (set ? ` ${name}` : "");

function describe(raft: RaftState): string {
  const { role, id, log, membership, applied } = raft;
  const leader = role === "leader" ? raft : undefined;
  const leads = leader !== undefined;
  let probes = false;
  let installs = false;
  for (const [member, { state }] of leader?.progress ?? []) {
    probes ||= member !== id && state === "probe";
    installs ||= state === "snapshot";
  }
  return (
    role +
    flag("learner", membership.learners.includes(id)) +
    flag("outside", !raft.voterSets.voters.has(id)) +
    flag("joint", membership.outgoing.length > 0) +
    flag("uncommitted", log.committed < log.lastIndex) +
    flag("unwritten", log.persisted < log.lastIndex) +
    flag("unapplied", applied < log.committed) +
    flag("older tail", !leads && log.lastTerm < raft.term && log.committed < log.lastIndex) +
    flag("changing", leads && leader.pendingChangeIndex > applied) +
    flag("own term open", leads && log.term(log.committed) !== raft.term) +
    flag("handing over", leads && leader.transferee !== 0n) +
    flag("reading", leads && leader.reads.lastRound > 0) +
    flag("probing", probes) +
    flag("installing", installs)
  );
}

function detail({ term, log }: RaftState, message: Message): string {
  const age = flag("newer", message.term > term) + flag("older", message.term < term);
  switch (message.kind) {
    case "append": {
      const end = message.prevIndex + message.entries.length;
      return (
        age +
        flag("empty", message.entries.length === 0) +
        flag("behind", message.prevIndex < log.committed) +
        flag("apart", log.term(message.prevIndex) !== message.prevTerm) +
        flag("commits beyond", message.commit > end) +
        flag("inside", end < log.lastIndex) +
        flag("change", message.entries.some(({ change }) => change))
      );
    }
    case "append-reply":
      return age + flag("refused", message.reject);
    case "vote":
      return age + flag("pre", message.pre) + flag("transfer", message.transfer);
    case "vote-reply":
      return age + flag("pre", message.pre) + flag("granted", message.granted);
    case "heartbeat":
    case "heartbeat-reply":
      return age + flag("read", message.readId !== 0);
    default:
      return age;
  }
}
