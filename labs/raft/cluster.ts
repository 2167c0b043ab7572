import { type Random, seededRandom } from "@raft2kube/std/random.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId, Membership, MembershipChange } from "@raft2kube/store/core/types.ts";
import { TestCluster } from "../../testing/raft/cluster.ts";
import { SafetyChecker } from "../../testing/raft/safety.ts";
import { Timeline } from "../../testing/timeline.ts";
import { asJudged } from "./as-judged.ts";
import { checkStep } from "./lessons.ts";
import { ELECTION_TICKS, HEARTBEAT_TICKS } from "./limits.ts";
import { Network, type Quality } from "./network.ts";
import { type ClusterObserver, observerOf } from "./observer.ts";
import { Server } from "./server.ts";
import { Trace } from "./trace.ts";

export interface ClusterOptions {
  readonly servers: number;
  readonly seed: number;
  readonly quality?: Quality;
  /** A snapshot after this many applied entries; absent: no snapshots. */
  readonly snapshotEvery?: number;
  /** Bytes of entries in one append; 1 sends each entry in an append of its own. */
  readonly appendBytes_max?: number;
}

/** Index and term of the first of some proposed commands. */
export type Taken = { readonly index: number; readonly term: number };

const APPEND_BYTES_MAX = 100_000;

/**
 * Members of the reader's core on one virtual clock: time passes only in `run`, and the same seed
 * makes the same run. `run` throws when a safety property of Raft is violated.
 */
export class LabCluster {
  readonly servers: Server[] = [];
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly network: Network;
  readonly trace = new Trace(
    () => this.timeline.now_ms,
    (at, text) => this.#observer?.noted(at, text),
  );
  readonly #observer: ClusterObserver | undefined = observerOf(this);
  readonly #cluster: TestCluster;
  readonly #safety = new SafetyChecker();
  readonly #snapshotEvery: number | undefined;
  /** Pairs of members whose messages are lost: `1 2` from member 1 to member 2. */
  readonly #cut = new Set<string>();

  constructor(options: ClusterOptions) {
    this.random = seededRandom(options.seed);
    this.#cluster = new TestCluster(
      {
        random: this.random,
        electionTicks: ELECTION_TICKS,
        heartbeatTicks: HEARTBEAT_TICKS,
        appendBytes_max: options.appendBytes_max ?? APPEND_BYTES_MAX,
        inflightAppends_max: 64,
        inflightBytes_max: APPEND_BYTES_MAX,
        uncommittedBytes_max: APPEND_BYTES_MAX,
        applyBytes_max: APPEND_BYTES_MAX,
      },
      false,
    );
    this.#snapshotEvery = options.snapshotEvery;
    this.network = new Network({
      timeline: this.timeline,
      random: this.random,
      quality: options.quality ?? "reliable",
      open: (message) => this.#open(message),
      deliver: (message) => this.#deliver(message),
      lose: (message) => this.#lose(message),
    });
    const ids = Array.from({ length: options.servers }, (_, i) => BigInt(i + 1));
    for (const id of ids) this.add(id, ids);
  }

  /** Starts one more member, with the given voters or membership. */
  add(id: MemberId, membership: Membership | MemberId[]): Server {
    const voters = Array.isArray(membership) ? initialMembership(membership) : membership;
    const server = new Server(this.#cluster.add(id, voters), {
      timeline: this.timeline,
      trace: this.trace,
      random: this.random,
      send: (message) => {
        this.trace.sent(message);
        this.#observer?.sent(message);
        this.network.send(message);
      },
      changed: (changed) => this.#observer?.stepped(changed),
      stepped: (stepped) => checkStep(this.#safety, stepped),
      snapshotEvery: this.#snapshotEvery,
    });
    this.servers.push(server);
    this.#observer?.added(server);
    return server;
  }

  get now_ms(): number {
    return this.timeline.now_ms;
  }

  /** Lets time pass. */
  run(for_ms: number): void {
    let over = false;
    this.timeline.after(for_ms, () => (over = true));
    while (!over) this.timeline.step();
  }

  server(id: MemberId): Server {
    const server = this.servers.find((item) => item.id === id);
    if (!server) throw new RangeError(`no member ${id}`);
    return server;
  }

  connect(server: Server): void {
    server.connected = true;
    this.#observer?.stepped(server);
    for (const pair of this.#cut) {
      if (pair.split(" ").includes(`${server.id}`)) this.#cut.delete(pair);
    }
    this.trace.note(server.id, "is connected again");
  }

  disconnect(server: Server): void {
    server.connected = false;
    this.#observer?.stepped(server);
    this.trace.note(server.id, "is disconnected");
  }

  /** Proposes to this member; returns the entry's index and term, undefined if it is no leader. */
  submit(server: Server, command: string): Taken | undefined {
    return this.submitAll(server, [command]);
  }

  /**
   * Proposes several commands together, as the product does with all proposals of one turn of its
   * loop.
   */
  submitAll(server: Server, commands: readonly string[]): Taken | undefined {
    if (!server.isLeader) return undefined;
    const proposed = server.member.raft.propose(commands.map((command) => Buffer.from(command)));
    server.wake();
    if (typeof proposed === "string" || "refused" in proposed) return undefined;
    const [first = ""] = commands;
    const described = first.length > 20 ? `${first.length} bytes` : `"${first}"`;
    const more = commands.length > 1 ? ` and ${commands.length - 1} more` : "";
    this.trace.note(server.id, `appends ${described}${more} as entry ${proposed.index}`);
    return proposed;
  }

  /** Proposes a membership change to this member; returns the core's reply in words. */
  change(server: Server, change: MembershipChange): string {
    const proposed = server.member.raft.proposeChange(change);
    server.wake();
    this.trace.note(server.id, "receives a membership change");
    if (typeof proposed === "string") return proposed;
    return "refused" in proposed ? proposed.refused : "accepted";
  }

  /** Loses every message between two members until `connect` of one of them. */
  cut(one: Server, other: Server): void {
    this.#cut.add(`${one.id} ${other.id}`).add(`${other.id} ${one.id}`);
    this.trace.note(one.id, `and ${other.id} do not reach each other`);
  }

  #open({ from, to }: Message): boolean {
    if (this.#cut.has(`${from} ${to}`)) return false;
    const sides = [from, to].map((id) => this.servers.find((server) => server.id === id));
    return sides.every((server) => server?.up && server.connected);
  }

  #lose(message: Message): void {
    this.trace.message(message, true);
    this.#observer?.arrived(message, true);
    this.#cluster.lose(message);
    if (message.kind === "snapshot") this.server(message.from).wake();
  }

  #deliver(message: Message): void {
    this.trace.message(message, false);
    this.#observer?.arrived(message, false);
    const receiver = this.server(message.to);
    asJudged(receiver.member, `receiving a ${message.kind}`, () => this.#cluster.deliver(message));
    receiver.wake();
    if (message.kind === "snapshot") this.server(message.from).wake();
  }
}
