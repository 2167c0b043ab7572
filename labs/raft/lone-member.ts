import { initialMembership } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { Entry } from "@raft2kube/store/core/types.ts";
import { describeEntry, describeMembership } from "../../testing/raft/describe.ts";
import { outcome } from "../../testing/raft/script.ts";
import { changeOf } from "./change.ts";
import {
  type Asked,
  append,
  appended,
  askVote,
  type CoreState,
  coreWith,
  electMember1,
  heartbeat,
  work,
  yes,
} from "./core.ts";
import { ELECTION_TICKS, HEARTBEAT_TICKS } from "./limits.ts";

/** Words with values or without: `log 1/1 pre`. */
type Words = Readonly<Record<string, string>>;
const FLAGS = new Set(["pre", "transfer", "auto-leave"]);

/** Throws RangeError for a word that is not among `known`. */
function wordsOf(words: readonly string[], known: string): Words {
  const read: Record<string, string> = {};
  const left = [...words];
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (!split(known).includes(name)) throw new RangeError(`unknown word: ${name}`);
    read[name] = FLAGS.has(name) ? "yes" : (left.shift() ?? "");
  }
  return read;
}

const listOf = (text = "") => text.split(",").filter(Boolean);
const members = (text?: string) => listOf(text).map(BigInt);

/** Terms of entries: `1,1,2`, or `1*10,3*40` for ten of term 1 and forty of term 3. */
function termsOf(text?: string): number[] {
  return listOf(text).flatMap((part) => {
    const [term, count = 1] = part.split("*").map(Number);
    return Array.from({ length: count }, () => term!);
  });
}

/** A place in a log: `3/2` is entry 3 of term 2. */
function place(text = "0/0") {
  const [index = 0, term = 0] = text.split("/").map(Number);
  return { index, term };
}

const STATE = "term vote commit log voters outgoing learners auto-leave";

function stateOf(text: string): CoreState {
  const { term, vote = "0", commit, log, voters = "1,2,3", ...words } = wordsOf(split(text), STATE);
  const membership = {
    ...initialMembership(members(voters)),
    outgoing: members(words["outgoing"]),
    learners: members(words["learners"]),
    autoLeave: words["auto-leave"] !== undefined,
  };
  const numbers = { term: Number(term ?? 0), commit: Number(commit ?? 0) };
  return { ...numbers, vote: BigInt(vote), log: termsOf(log), membership };
}

const split = (text: string) => text.split(/\s+/).filter(Boolean);

/** Words of messages in a script, besides `term`. */
const MESSAGE_WORDS: Record<string, string> = {
  vote: "log pre transfer",
  grants: "pre",
  refuses: "pre commit",
  append: "after terms changes commit",
  appended: "to",
  rejects: "at hint",
  heartbeat: "commit read",
  snapshot: "at voters",
};

/** Messages to member 1 by their names in a script, in a term. */
const MESSAGES: Record<string, (from: bigint, term: number, words: Words) => Message> = {
  vote: (from, term, { log, pre, transfer }) => {
    const flags = { pre: pre !== undefined, transfer: transfer !== undefined };
    return { ...askVote(from, term, place(log)), ...flags };
  },
  grants: (from, term, { pre }) => yes(from, term, pre !== undefined),
  refuses: (from, term, { pre, commit }) => {
    const { index, term: commitTerm } = place(commit);
    const granted = { granted: false, commit: index, commitTerm };
    return { ...yes(from, term, pre !== undefined), ...granted };
  },
  append: (from, term, { after, terms, changes, commit = "0" }) => {
    const message = append(from, term, place(after), termsOf(terms), Number(commit));
    const entries = listOf(changes).map((step, i) => {
      const change = changeOf(`change ${step}`);
      return { index: message.prevIndex + 1 + i, term, data: Buffer.alloc(0), change };
    });
    return entries.length > 0 ? { ...message, entries } : message;
  },
  appended: (from, term, { to }) => appended(from, term, Number(to)),
  rejects: (from, term, { at, hint }) => {
    const { index, term: hintTerm } = place(hint);
    const rejection = { reject: true, hintIndex: index, hintTerm };
    return { ...appended(from, term, Number(at)), ...rejection };
  },
  heartbeat: (from, term, { commit = "0", read = "0" }) => {
    return { ...heartbeat(from, term), commit: Number(commit), readId: Number(read) };
  },
  answers: (from, term) => {
    const news = { readId: 0, commit: 0, commitTerm: 0 };
    return { kind: "heartbeat-reply", from, to: 1n, term, ...news };
  },
  snapshot: (from, term, { at, voters }) => {
    const mark = { ...place(at), membership: initialMembership(members(voters)) };
    return { kind: "snapshot", from, to: 1n, term, mark };
  },
  "timeout-now": (from, term) => ({ kind: "timeout-now", from, to: 1n, term }),
};

const TICKS: Record<string, (raft: Raft) => number> = {
  timeout: ({ state }) => state.electionTimeout,
  "timeout-1": ({ state }) => state.electionTimeout - 1,
  election: () => ELECTION_TICKS,
  heartbeat: () => HEARTBEAT_TICKS,
};

/** Steps of member 1 by their names in a script. */
const STEPS: Record<string, (member: LoneMember, words: string[]) => void> = {
  /** Works off its state on disk. */
  start: () => undefined,
  campaign: ({ raft }) => raft.campaign(),
  tick: ({ raft }, [count = "1"]) => {
    const ticks = TICKS[count]?.(raft) ?? Number(count);
    if (Number.isNaN(ticks)) throw new RangeError(`unknown count of ticks: ${count}`);
    for (let i = 0; i < ticks; i++) raft.tick();
  },
  /** Makes it leader, by the votes of 2 and 3 or of these members. */
  lead: ({ raft }, [voters = "2,3"]) => electMember1(raft, members(voters)),
  /** Proposes in one call: `propose count 4 bytes 9000`. */
  propose: (member, words) => {
    const { count = "1", bytes = "1" } = wordsOf(words, "count bytes");
    const commands = Array.from({ length: Number(count) }, () => Buffer.alloc(Number(bytes), "x"));
    member.outcome = outcome(member.raft.propose(commands));
  },
  /** Proposes so often, one call after the other. */
  write: (member, [times]) => {
    for (let i = 0; i < Number(times); i++) {
      member.raft.propose([Buffer.from("x")]);
      member.work();
    }
  },
  change: (member, steps) => {
    const change = changeOf(["change", ...steps].join(" "));
    member.outcome = outcome(member.raft.proposeChange(change));
  },
  /** Applies a change that leaves the joint configuration. */
  leave: ({ raft }) => void raft.applyChange(changeOf("leave")),
  transfer: ({ raft }, [to]) => void raft.transferLeadership(BigInt(to!)),
  read: ({ raft }, [id]) => void raft.requestReadIndex(Number(id)),
  unreachable: ({ raft }, [of]) => raft.reportUnreachable(BigInt(of!)),
  /** Compacts the log up to an entry, with the present membership. */
  compact: ({ raft }, [at]) => {
    const { log, membership } = raft.state;
    raft.compact({ index: Number(at), term: log.term(Number(at))!, membership }, 0);
  },
  /** Reports to the core once more what is applied. */
  applied: ({ raft }) => raft.appliedTo(raft.state.applied, 0),
  /** Sets a follower's next entry back, as if nothing were on its way. */
  rewind: ({ raft }, [of, next]) => {
    const progress = raft.leading!.progress.get(BigInt(of!))!;
    Object.assign(progress, { next: Number(next), paused: false });
  },
  /** Makes writes not durable from here on. */
  slow: (member) => void (member.isSlow = true),
  /** Makes all writes durable, and later ones. */
  durable: (member) => void (member.isSlow = false),
};

const nothing = (): Asked => ({ now: [], afterDisk: [], writes: [], applied: [] });

/**
 * Member 1 of a cluster whose other messages a script makes up. Each step is followed by all work
 * that its core asks for.
 */
export class LoneMember {
  readonly raft: Raft;
  /** The state on disk, and the steps so far. */
  readonly script: string[];
  output = nothing();
  outcome = "";
  isSlow = false;
  readonly #pending: number[] = [];

  constructor(given: string) {
    this.script = [given];
    this.raft = coreWith(stateOf(given));
  }

  /** Drops the output so far. */
  forget(): void {
    this.output = nothing();
  }

  /** Takes one step: `tick 3`, `campaign`, or a message of another: `2 vote term 2 log 1/1`. */
  take(step: string): void {
    const [verb = "", ...words] = split(step);
    this.script.push(step);
    if (/^\d+$/.test(verb)) this.#receive(BigInt(verb), words);
    else if (STEPS[verb]) STEPS[verb](this, words);
    else throw new RangeError(`unknown step: ${step}`);
    this.work();
  }

  /** Carries out the core's output, and adds it to `output`. */
  work(): void {
    if (!this.isSlow) for (const id of this.#pending.splice(0)) this.raft.persisted(id);
    const { now, afterDisk, writes, applied } = this.isSlow ? this.#workSlowly() : work(this.raft);
    this.output.now.push(...now);
    this.output.afterDisk.push(...afterDisk);
    this.output.writes.push(...writes);
    this.output.applied.push(...applied);
  }

  #receive(from: bigint, [kind = "", ...words]: string[]): void {
    const message = MESSAGES[kind];
    if (!message) throw new RangeError(`unknown message: ${kind} of member ${from}`);
    const { term = this.raft.state.term, ...rest } = wordsOf(
      words,
      `term ${MESSAGE_WORDS[kind] ?? ""}`,
    );
    const { lastIndex } = this.raft.state.log;
    this.raft.step(message(from, Number(term), { to: `${lastIndex}`, ...rest }));
  }

  #workSlowly(): Asked {
    const ready = this.raft.ready();
    if (!ready) return nothing();
    const { messages: now, messagesAfterPersist: afterDisk, committed: applied, write } = ready;
    if (write) this.#pending.push(write.id);
    return { now, afterDisk, writes: write ? [write] : [], applied };
  }
}

/** Messages of member 1 in observations. */
const NAMES = new Set(
  split(
    "any vote granted refused append accepted rejected heartbeat heartbeat-reply snapshot " +
      "timeout-now propose read read-reply transfer",
  ),
);

/** A message's name in an observation. */
function nameOf(message: Message): string {
  if (message.kind === "vote-reply") return message.granted ? "granted" : "refused";
  if (message.kind === "append-reply") return message.reject ? "rejected" : "accepted";
  return message.kind;
}

/** `vote` is all votes, `vote>2` those to member 2; `any` is every message. */
function named(messages: readonly Message[], about: string): Message[] {
  const [name = "", to] = about.split(">");
  if (!NAMES.has(name)) throw new RangeError(`unknown message: ${about}`);
  return messages.filter((message) => {
    return [nameOf(message), "any"].includes(name) && (to ?? `${message.to}`) === `${message.to}`;
  });
}

/** The receivers of messages; `vote.lastIndex` is what they have. */
function described(messages: readonly Message[], about: string): string {
  const [name = "", field] = about.split(".");
  const found = named(messages, name);
  if (field) return found.map((message) => valueOf({ ...message }[field as "to"])).join(" ");
  const [, one] = name.split(">");
  const receivers = found.map(({ to }) => `${to}`).join(" ");
  return receivers && `to ${one ?? receivers}`;
}

/** A value as an observation shows it. */
function valueOf(value: unknown): string {
  if (Array.isArray(value)) return indexes(value as Entry[]) || "empty";
  if (typeof value !== "object" || value === null) return String(value);
  const { index, term } = value as { index: number; term: number };
  return `${index}/${term}`;
}

const indexes = (entries: readonly { index: number }[]) => {
  return entries.map(({ index }) => index).join(" ");
};

const WRITTEN = new Set(["term", "vote", "commit", "entries", "snapshot"]);

/** Observations by their names; one of two parameters has an argument. */
export const OBSERVATIONS: Record<string, (member: LoneMember, about: string) => string> = {
  /** Messages that did not wait for the disk, those that did, and both. */
  immediately: ({ output }, about) => described(output.now, about),
  "after-disk": ({ output }, about) => described(output.afterDisk, about),
  sent: ({ output: { now, afterDisk } }, about) => described([...now, ...afterDisk], about),
  wrote: ({ output }, about) => {
    if (!WRITTEN.has(about)) throw new RangeError(`unknown part of a write: ${about}`);
    const written = output.writes.map(({ hardState, entries, snapshot }) => {
      return { ...hardState, entries: indexes(entries), snapshot }[about];
    });
    return written.flatMap((value) => (value ? [valueOf(value)] : [])).join(" ");
  },
  writes: ({ output }) => `${output.writes.length}`,
  /** Messages that wait for a write. */
  waiting: ({ raft }) => `${raft.state.outboxAfterPersist.length}`,
  /** How many messages did not wait for the disk. */
  count: ({ output }, about) => `${named(output.now, about).length}`,
  /** The entries in all appends to a member. */
  "entries-to": ({ output }, to) => {
    const appends = named(output.now, `append>${to}`);
    return indexes(
      appends.flatMap((message) => (message.kind === "append" ? message.entries : [])),
    );
  },
  /** The membership in a snapshot that is sent. */
  "sent-members": ({ output }) => {
    const found = output.now.find((message) => message.kind === "snapshot");
    return found ? describeMembership(found.mark.membership) : "";
  },
  applied: ({ output }) => indexes(output.applied),
  outcome: ({ outcome: happened }) => happened,
  role: ({ raft }) => raft.state.role,
  term: ({ raft }) => `${raft.state.term}`,
  vote: ({ raft }) => `${raft.state.vote}`,
  leader: ({ raft }) => `${raft.state.leader}`,
  commit: ({ raft }) => `${raft.state.log.committed}`,
  "applied-index": ({ raft }) => `${raft.state.applied}`,
  base: ({ raft }) => valueOf(raft.state.log.base),
  "last-index": ({ raft }) => `${raft.state.log.lastIndex}`,
  /** The terms of all entries. */
  log: ({ raft: { state } }) => {
    const { firstIndex, lastIndex } = state.log;
    const count = Math.max(0, lastIndex - firstIndex + 1);
    return Array.from({ length: count }, (_, i) => state.log.term(firstIndex + i)).join(" ");
  },
  entry: ({ raft }, about) => {
    const entry = raft.state.log.entry(Number(about));
    return entry ? describeEntry(entry) : "";
  },
  members: ({ raft }) => describeMembership(raft.state.membership),
  /** The voters whose votes count. */
  "voter-sets": ({ raft: { state } }) => {
    const sets = [state.voterSets.voters, state.voterSets.outgoing];
    return sets.map((set) => [...set].sort().join(" ")).join(", outgoing ");
  },
  snapshot: ({ raft }) => `${raft.state.snapshotIndex}`,
  transferee: ({ raft }) => `${raft.leading?.transferee ?? "none"}`,
  /** A field of the leader's progress of a member: `2.recentActive`. */
  progress: ({ raft }, about) => {
    const [id = "", field = ""] = about.split(".");
    const progress = raft.leading?.progress.get(BigInt(id));
    return progress ? String({ ...progress }[field as "match"]) : "";
  },
};
