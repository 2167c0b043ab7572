import type { Random } from "@raft2kube/std/random.ts";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import type { Backend } from "@raft2kube/store/backend/backend.ts";
import type { Message, SnapshotMessage } from "@raft2kube/store/core/message.ts";
import { Raft, type Restored } from "@raft2kube/store/core/raft.ts";
import type { MemberId, Membership } from "@raft2kube/store/core/types.ts";
import { restoreState } from "@raft2kube/store/mvcc/restore.ts";
import type { State } from "@raft2kube/store/mvcc/state.ts";
import { beginLog, fit } from "@raft2kube/store/node/open.ts";
import { Wal } from "@raft2kube/store/wal/wal.ts";
import { CORE_OPTIONS, SEGMENT_BYTES } from "../limits.ts";
import { BackendImage, simulatedBackend } from "../world/backend.ts";
import { DiskImage, simulatedDisk } from "../world/disk.ts";
import { Host } from "../world/host.ts";
import type { Parcel } from "../world/network.ts";
import type { Tally } from "../world/tally.ts";
import type { Timeline } from "../world/timeline.ts";
import { assemble } from "./assemble.ts";
import type { Life } from "./life.ts";
import type { Seams } from "./seams.ts";
import { markOf, stateForMember } from "./snapshot.ts";
import type { Witness } from "./witness.ts";

export interface MemberOptions {
  readonly id: MemberId;
  readonly timeline: Timeline;
  readonly random: Random;
  readonly tally: Tally;
  readonly witness: Witness;
  readonly seams: Seams;
  /** How fast its clock runs. */
  readonly rate: number;
  /** Slots kept in the log behind what the backend has. */
  readonly keep: number;
  /** Nobody for one that joins: it is told by its first snapshot. */
  readonly membership: Membership;
  /** Slots before the cluster's first: those who join must not be given the log from its start. */
  readonly base: { index: number; term: number };
  readonly send: (parcel: Parcel) => void;
}

/** What became of a start. */
export type Standing = "down" | "starting" | "up" | "damaged";

export const CLUSTER_ID = 1n;

/** A member with its machine and disks, through all its lives. */
export class Member {
  readonly id: MemberId;
  readonly host: Host;
  readonly disk: DiskImage;
  /** The database in use, and the states received from leaders, by their index. */
  backend = new BackendImage();
  readonly #received = new Map<number, Map<string, Buffer>>();
  readonly #options: MemberOptions;
  #life: Life | undefined;
  standing: Standing = "down";
  /** Its disk lost or damaged something: it will not come back under this id. */
  lost = false;

  constructor(options: MemberOptions) {
    this.id = options.id;
    this.#options = options;
    this.host = new Host(options.timeline, options.rate);
    this.disk = new DiskImage(options.random, options.tally);
  }

  /** The present life, while it is up. */
  get life(): Life | undefined {
    return this.#life;
  }

  /** Power is lost. */
  crash(): void {
    const life = this.#life;
    this.#life = undefined;
    this.standing = "down";
    this.host.end();
    this.disk.crash();
    this.backend.crash(this.#options.random);
    life?.replica.stop();
    void life?.client.close();
    this.#options.witness.ended(this.id);
  }

  /** Begins a life. */
  start(): void {
    this.standing = "starting";
    const number = this.host.life;
    this.#open().then(
      (life) => {
        if (this.host.life !== number) return;
        this.standing = "up";
        this.#life = life;
        this.#options.seams.life?.(life);
        this.#options.witness.began(this.id, life);
        life.compactor.start();
        life.replica.start();
      },
      (thrown: unknown) => {
        if (this.host.life === number) this.#failedStart(thrown);
      },
    );
  }

  #failedStart(thrown: unknown): void {
    const code = codeOf(thrown);
    const expected = code === "LOG_DAMAGED" || code === "LOG_FORMAT";
    this.standing = expected ? "damaged" : "down";
    this.#options.witness.refused(this.id, messageOf(thrown), expected);
  }

  async #open(): Promise<Life> {
    const { random, seams, membership, base } = this.#options;
    const disk = simulatedDisk(this.disk, this.host, random);
    const identity = { clusterId: CLUSTER_ID, memberId: this.id };
    const { wal, recovered } = Wal.open({
      disk: seams.disk?.(disk) ?? disk,
      identity,
      segmentBytes: SEGMENT_BYTES,
      onFatal: (reason) => this.#fatal(reason),
    });
    const bootstrap = { identity, membership, members: [], base };
    if (recovered.segments.length === 0) await beginLog(wal, recovered, bootstrap);
    const backend = await this.#database(recovered.base.index);
    const state = await restoreState({ backend, identity, clock: this.host.clock, bootstrap });
    const restored = fit(state, recovered);
    return this.#assemble({ wal, state, restored });
  }

  /** The database to start with: a received state's, if a crash came before it was installed. */
  #database(logBegins: number): Promise<Backend> {
    const { random } = this.#options;
    const received = this.#received.has(logBegins);
    const behind = (markOf(this.backend.copy())?.index ?? 0) < logBegins;
    if (received && behind) return this.#load(logBegins);
    return simulatedBackend(this.backend, this.host, random);
  }

  /** Makes a database from a received state; from its end on it is the one in use. */
  async #load(index: number): Promise<Backend> {
    const { random, tally } = this.#options;
    const pairs = this.#received.get(index);
    if (!pairs) throw new Error(`no state received at ${index}`);
    await new Promise<void>((resolve) => void this.host.after(random.next() * 100, resolve));
    const image = new BackendImage();
    image.replace(stateForMember(pairs, this.id));
    this.backend = image;
    tally.note("snapshot installed");
    return simulatedBackend(image, this.host, random);
  }

  #assemble(parts: { wal: Wal; state: State; restored: Restored }): Life {
    const { random, seams, witness, keep } = this.#options;
    const { state, restored } = parts;
    seams.restored?.(restored, state);
    const raft = new Raft({ id: this.id, random, ...CORE_OPTIONS }, restored);
    seams.raft?.(raft);
    return assemble({
      ...parts,
      raft,
      keep,
      random,
      number: this.host.life,
      load: (index) => this.#load(index),
      installed: ({ index }) => {
        for (const each of this.#received.keys()) if (each <= index) this.#received.delete(each);
      },
      clock: this.host.clock,
      send: (messages) => this.#send(messages),
      onApplied: () => witness.applied(this.id, state),
      onFatal: (reason) => this.#fatal(reason),
    });
  }

  #send(messages: Message[]): void {
    for (const message of messages) {
      this.#options.witness.sent(message);
      this.#options.send(message.kind === "snapshot" ? this.#snapshot(message) : { message });
    }
  }

  /** As the product's sender does: whatever the core asked for, what goes is the state of now. */
  #snapshot(message: SnapshotMessage): Parcel {
    const state = this.backend.copy();
    return { message: { ...message, mark: markOf(state) ?? message.mark }, state };
  }

  #fatal(reason: unknown): void {
    if (codeOf(reason) !== "LOG_WRITE") this.#options.witness.broke(this.id, reason);
    // The process ends; what the disk had cached is gone with the disk's own failure.
    if (this.standing !== "down") this.crash();
    this.#options.witness.stopped(this.id, messageOf(reason));
  }

  /** A parcel arrives: a snapshot's state goes to disk before the core hears of it. */
  receive({ message, state }: Parcel): void {
    if (!this.#life) return;
    if (message.kind === "snapshot" && state) this.#received.set(message.mark.index, state);
    this.#life.replica.receive(message);
  }
}
