import type { Message } from "@raft2kube/store/core/message.ts";
import type { RaftState, Role } from "@raft2kube/store/core/state.ts";
import type { CoreEvent } from "../../../testing/raft/observe.ts";

/**
 * Which events came into a core in which state, both reduced to what the protocol distinguishes. A
 * pair that is rare in a run marks a moment at which a fault may show what the rest does not.
 */
export class Coverage {
  /** Counts by event: how often it came in each state, whose flags are a number. */
  readonly #events = new Map<CoreEvent, Map<number, number>>();

  /** Pairs seen so far. */
  get size(): number {
    return [...this.#events.values()].reduce((sum, states) => sum + states.size, 0);
  }

  /** How often this pair was seen before; `hides`: an append that ends before a conflict. */
  note(state: RaftState, event: CoreEvent, message: Message | undefined, hides: boolean): number {
    let states = this.#events.get(event);
    if (!states) this.#events.set(event, (states = new Map()));
    const inMessage = message ? detail(state, message) : 0;
    const pair = bits(hides) + 2 * (inMessage + DETAILS * describe(state));
    const before = states.get(pair) ?? 0;
    states.set(pair, before + 1);
    return before;
  }
}

const ROLES: readonly Role[] = ["follower", "candidate", "pre-candidate", "leader"];
/** A message has fewer combinations of flags than this. */
const DETAILS = 2 ** 8;

/** Flags as one number: a text of their names took an eighth of a run's time. */
function bits(...flags: readonly boolean[]): number {
  let number = 0;
  for (const flag of flags) number = 2 * number + (flag ? 1 : 0);
  return number;
}

function describe(raft: RaftState): number {
  const { role, id, log, membership, applied } = raft;
  const leader = role === "leader" ? raft : undefined;
  const leads = leader !== undefined;
  let probes = false;
  let installs = false;
  for (const [member, { state }] of leader?.progress ?? []) {
    probes ||= member !== id && state === "probe";
    installs ||= state === "snapshot";
  }
  const open = log.committed < log.lastIndex;
  return (
    ROLES.indexOf(role) +
    ROLES.length *
      bits(
        membership.learners.includes(id),
        !raft.voterSets.voters.has(id),
        membership.outgoing.length > 0,
        open,
        log.persisted < log.lastIndex,
        applied < log.committed,
        !leads && log.lastTerm < raft.term && open,
        leads && leader.pendingChangeIndex > applied,
        leads && log.term(log.committed) !== raft.term,
        leads && leader.transferee !== 0n,
        leads && leader.reads.lastRound > 0,
        probes,
        installs,
      )
  );
}

function detail({ term, log }: RaftState, message: Message): number {
  const [newer, older] = [message.term > term, message.term < term];
  switch (message.kind) {
    case "append": {
      const end = message.prevIndex + message.entries.length;
      return bits(
        newer,
        older,
        message.entries.length === 0,
        message.prevIndex < log.committed,
        log.term(message.prevIndex) !== message.prevTerm,
        message.commit > end,
        end < log.lastIndex,
        message.entries.some(({ change }) => change),
      );
    }
    case "append-reply":
      return bits(newer, older, message.reject);
    case "vote":
      return bits(newer, older, message.pre, message.transfer);
    case "vote-reply":
      return bits(newer, older, message.pre, message.granted);
    case "heartbeat":
    case "heartbeat-reply":
      return bits(newer, older, message.readId !== 0);
    default:
      return bits(newer, older);
  }
}
