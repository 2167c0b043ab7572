import { seededRandom } from "@raft2kube/std/random.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { Proposed } from "@raft2kube/store/core/propose.ts";
import type { MembershipChange, MembershipStep } from "@raft2kube/store/core/types.ts";
import { TestCluster } from "./cluster.ts";
import {
  describeMembership,
  describeMessage,
  describeProgress,
  describeReady,
  describeState,
} from "./describe.ts";

type Run = (words: string[]) => string[];

const ACTIONS: Record<string, MembershipStep["action"]> = {
  "+": "add-voter",
  "~": "add-learner",
  "-": "remove",
};

/**
 * Runs the commands of a golden script against a cluster of cores and returns their output. A
 * script is a list of commands, each with its output after a line of dashes.
 */
export class ScriptRunner {
  readonly #cluster = new TestCluster({ random: seededRandom(1), inflightAppends_max: 3 });

  readonly #commands: Record<string, Run> = {
    voters: ([count]) => {
      this.#cluster.addVoters(Number(count));
      return this.#states();
    },
    join: ([id]) => {
      this.#cluster.add(BigInt(id!), { ...NOBODY });
      return [`${id} started empty`];
    },
    tick: ([id, count = "1"]) => {
      for (let i = 0; i < Number(count); i++) this.#member(id).raft.tick();
      return [describeState(this.#member(id).raft)];
    },
    campaign: ([id]) => {
      this.#member(id).raft.campaign();
      return [describeState(this.#member(id).raft)];
    },
    propose: ([id, ...commands]) => {
      const proposed = this.#member(id).raft.propose(commands.map((text) => Buffer.from(text)));
      return [outcome(proposed)];
    },
    change: ([id, ...steps]) => [outcome(this.#member(id).raft.proposeChange(change(steps)))],
    read: ([id, readId]) => [this.#member(id).raft.requestReadIndex(Number(readId)) ?? "asked"],
    transfer: ([id, to]) => [this.#member(id).raft.transferLeadership(BigInt(to!)) ?? "asked"],
    compact: ([id, keep = "0"]) => {
      this.#member(id).compact(Number(keep));
      return [describeState(this.#member(id).raft)];
    },
    crash: ([id]) => {
      this.#member(id).crash();
      return [describeState(this.#member(id).raft)];
    },
    process: ([id]) => this.#process(this.#member(id).id),
    sync: ([id]) => {
      const messages = this.#member(id).sync();
      this.#cluster.post(messages);
      return messages.map((message) => `send ${describeMessage(message)}`);
    },
    deliver: (words) => this.#deliver(wanted(words)),
    lose: (words) => {
      const lost = this.#take(wanted(words));
      for (const message of lost) this.#cluster.lose(message);
      return lost.map((message) => `lost ${describeMessage(message)}`);
    },
    unreachable: ([id, to]) => {
      this.#member(id).raft.reportUnreachable(BigInt(to!));
      return describeProgress(this.#member(id).raft);
    },
    cut: ([from, to]) => {
      this.#cluster.cut.add(`${from}>${to}`).add(`${to}>${from}`);
      return [`no messages between ${from} and ${to}`];
    },
    heal: () => {
      this.#cluster.cut.clear();
      return ["all messages pass"];
    },
    settle: () => this.#settle(),
    quietly: ([command, ...words]) => {
      this.#commands[command!]!(words);
      return this.#states();
    },
    states: () => this.#states(),
    progress: ([id]) => describeProgress(this.#member(id).raft),
    membership: ([id]) => [describeMembership(this.#member(id).raft.state.membership)],
    applied: ([id]) => {
      const lines = this.#member(id).applied.map(({ index, command }) => `${index} "${command}"`);
      return [lines.join(" ")];
    },
  };

  /** Runs one line; returns what happened, as lines. Throws when a property of Raft breaks. */
  run(line: string): string[] {
    const [name = "", ...words] = line.trim().split(/\s+/);
    const command = this.#commands[name];
    if (!command) throw new RangeError(`unknown command in script: ${line}`);
    const lines = command(words);
    this.#cluster.safety.check(this.#cluster);
    return lines.length > 0 ? lines : ["nothing"];
  }

  #member(id: string | undefined) {
    return this.#cluster.get(BigInt(id ?? "0"));
  }

  #states(): string[] {
    return [...this.#cluster.members.values()].map(({ raft }) => describeState(raft));
  }

  #process(id: bigint): string[] {
    const ready = this.#cluster.get(id).process();
    if (!ready) return [];
    this.#cluster.post(ready.messages);
    return describeReady(ready).map((line) => `${id} ${line}`);
  }

  #take(wanted: (message: Message) => boolean): Message[] {
    const taken = this.#cluster.network.filter(wanted);
    this.#cluster.network = this.#cluster.network.filter((message) => !wanted(message));
    return taken;
  }

  #deliver(wanted: (message: Message) => boolean): string[] {
    const messages = this.#take(wanted);
    for (const message of messages) this.#cluster.deliver(message);
    return messages.map((message) => `deliver ${describeMessage(message)}`);
  }

  #settle(): string[] {
    const lines: string[] = [];
    for (let busy = true; busy; ) {
      const before = lines.length;
      for (const { id } of this.#cluster.members.values()) {
        lines.push(...this.#process(id));
        const member = this.#cluster.get(id);
        while (member.pending.length > 0) this.#cluster.post(member.sync());
      }
      lines.push(...this.#deliver(() => true));
      busy = lines.length > before;
    }
    return lines;
  }
}

const NOBODY = { voters: [], outgoing: [], learners: [], learnersNext: [], autoLeave: false };

/** Messages to a member: all, or those of one kind. */
function wanted([to, kind]: string[]): (message: Message) => boolean {
  return (message) => message.to === BigInt(to!) && (kind === undefined || message.kind === kind);
}

/** The answer to a proposal in words. */
export function outcome(proposed: Proposed): string {
  if (typeof proposed === "string") return proposed;
  if ("refused" in proposed) return `refused: ${proposed.refused}`;
  return `at ${proposed.index}/${proposed.term}`;
}

/** Steps (`membershipStep`); none leaves a joint configuration, `explicit` stays in it. */
function change(words: string[]): MembershipChange {
  const transition = words.includes("explicit") ? "explicit" : "auto";
  const steps = words.filter((word) => word !== "explicit" && word !== "leave").map(membershipStep);
  return { steps, transition, context: Buffer.alloc(0) };
}

/** `+4` adds a voter, `~4` a learner, `-4` removes. */
export function membershipStep(word: string): MembershipStep {
  return { action: ACTIONS[word[0]!]!, member: BigInt(word.slice(1)) };
}
