import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { Backend } from "@raft2kube/store/backend/backend.ts";
import { CheckedBackend } from "@raft2kube/store/backend/checked.ts";
import type { Message, SnapshotMessage } from "@raft2kube/store/core/message.ts";
import { Raft, type Restored } from "@raft2kube/store/core/raft.ts";
import type { MemberId, Membership } from "@raft2kube/store/core/types.ts";
import { restoreState } from "@raft2kube/store/mvcc/persist/restore/restore.ts";
import type { State } from "@raft2kube/store/mvcc/state/state.ts";
import { beginLog, fit } from "@raft2kube/store/node/open.ts";
import { Wal } from "@raft2kube/store/wal/wal.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import { Violation } from "../../../testing/violation.ts";
import { SEGMENT_BYTES } from "../limits.ts";
import { BackendImage, isDamage, simulatedBackend } from "../world/backend.ts";
import type { Counters } from "../world/counters.ts";
import { FaultyImage, SimulatedDisk } from "../world/disk.ts";
import { Host } from "../world/host.ts";
import type { Parcel } from "../world/network.ts";
import { type DiskPace, EVEN_PACE } from "../world/pace.ts";
import { Power } from "../world/power.ts";
import { assemble } from "./assemble.ts";
import type { Generation } from "./generation.ts";
import type { Release } from "./release.ts";
import type { Seams } from "./seams.ts";
import type { Setting } from "./setting.ts";
import { markOf, stateForMember } from "./snapshot.ts";
import type { Witness } from "./witness.ts";

export interface MemberOptions {
  readonly id: MemberId;
  readonly timeline: Timeline;
  readonly random: Random;
  readonly counters: Counters;
  readonly witness: Witness;
  readonly seams: Seams;
  /** How fast its clock runs. */
  readonly rate: number;
  readonly release: Release;
  readonly setting: Pick<Setting, "cutting" | "core" | "timing" | "pace" | "scrub">;
  /** Membership; empty for a member that joins: its first snapshot has the members. */
  readonly membership: Membership;
  /** Indexes before the cluster's first: a joining member must not get the log from its start. */
  readonly base: { index: number; term: number };
  readonly send: (parcel: Parcel) => void;
  /** Called when it starts to install a snapshot while it runs. */
  readonly installs: () => void;
  /** Passes a request on to another member. */
  readonly ask: (to: MemberId, kind: string, body: Buffer) => Promise<Buffer>;
}

/** When the log in memory and on disk is cut. */
export interface LogCutting {
  /** Entries kept after those that the backend has. */
  readonly keep: number;
  /** Slots between two cuts at least: the distance of two snapshots that can be sent. */
  readonly every: number;
}

/** The state of a member. */
export type Standing = "down" | "starting" | "up" | "damaged";

export const CLUSTER_ID = 1n;

/** A member with its machine and disks, through all its lives. */
export class Member {
  readonly id: MemberId;
  readonly host: Host;
  readonly disk: FaultyImage;
  readonly power = new Power();
  /** The software that its next life runs. */
  release: Release;
  /** The database in use, and the states received from leaders, by their index. */
  backend = new BackendImage();
  readonly #pace: DiskPace;
  readonly #backendPace: DiskPace;
  readonly #received = new Map<number, Map<string, Buffer>>();
  readonly #options: MemberOptions;
  #generation: Generation | undefined;
  standing: Standing = "down";
  /** Damage was done to its disk: it is as good as lost until it is replaced. */
  suspect = false;
  /** Whether the disk returns a wrong value once: the next start expects it. */
  misreads = false;
  /** Whether the disk has a pace of its own. */
  slow = true;
  /** Whether the disk lost or damaged something: the member will not come back under this id. */
  lost = false;

  constructor(options: MemberOptions) {
    this.id = options.id;
    this.#options = options;
    this.release = options.release;
    const { log, backend } = options.setting.pace(options.id);
    this.#pace = (random, mean_ms) => (this.slow ? log : EVEN_PACE)(random, mean_ms);
    this.#backendPace = (random, mean_ms) => (this.slow ? backend : EVEN_PACE)(random, mean_ms);
    this.host = new Host(options.timeline, options.rate);
    this.disk = new FaultyImage(options.random, options.counters);
  }

  /** The present life, while it is up. */
  get generation(): Generation | undefined {
    return this.#generation;
  }

  /** Power is lost. */
  crash(): void {
    const generation = this.#generation;
    this.#generation = undefined;
    this.standing = "down";
    this.host.end();
    this.power.appointed = undefined;
    this.disk.crash();
    this.backend.crash(this.#options.random);
    generation?.replica.stop();
    void generation?.client.close();
    this.#options.witness.ended(this.id);
  }

  /** Starts a life. */
  start(): void {
    this.standing = "starting";
    const number = this.host.generation;
    this.#open().then(
      (generation) => {
        if (this.host.generation !== number) return;
        this.standing = "up";
        this.misreads = false;
        this.#generation = generation;
        this.#options.seams.generation?.(generation);
        this.#options.witness.began(this.id, generation);
        generation.compactor.start();
        generation.replica.start();
        if (this.#options.setting.scrub) generation.scrub.start();
      },
      (thrown: unknown) => {
        if (this.host.generation === number) this.#failedStart(thrown);
      },
    );
  }

  #failedStart(thrown: unknown): void {
    const { witness } = this.#options;
    const code = codeOf(thrown);
    const damaged = DAMAGE_REASONS.has(code ?? "") || isDamage(thrown);
    this.standing = damaged ? "damaged" : "down";
    if (damaged && !this.suspect && !this.misreads) {
      witness.broke(this.id, new Violation("no damage without a cause", messageOf(thrown)));
    } else if (damaged) witness.foundDamage(this.id, messageOf(thrown));
    else if (DISK_REASONS.has(code ?? "")) witness.stopped(this.id, messageOf(thrown));
    else witness.broke(this.id, thrown);
  }

  async #open(): Promise<Generation> {
    const { random, seams, membership, base } = this.#options;
    const disk = new SimulatedDisk(this.disk, this.host, this.power, random, this.#pace);
    const identity = { clusterId: CLUSTER_ID, memberId: this.id };
    const { wal, recovered } = Wal.open({
      disk: seams.disk?.(disk) ?? disk,
      identity,
      clock: this.host.clock,
      segmentBytes: SEGMENT_BYTES,
      onFatal: (reason) => this.#fatal(reason),
    });
    const bootstrap = { identity, membership, members: [], base };
    if (recovered.segments.length === 0) await beginLog(wal, recovered, bootstrap);
    const backend = await this.#database(recovered.base.index);
    const state = await restoreState({ backend, identity, clock: this.host.clock, bootstrap });
    const restored = fit(state, recovered);
    this.#options.witness.read(this.id, restored);
    return this.#assemble({ wal, state, restored });
  }

  /** The database to start with: a received state's, if a crash came before it was installed. */
  #database(logBegins: number): Promise<Backend> {
    const received = this.#received.has(logBegins);
    const behind = (markOf(this.backend.pairs)?.index ?? 0) < logBegins;
    if (received && behind) return this.#load(logBegins);
    return this.#backendOf(this.backend);
  }

  async #backendOf(image: BackendImage): Promise<Backend> {
    const { random, counters, seams } = this.#options;
    const { host, power } = this;
    const onDamage = (reason: unknown) => this.#generation?.replica.fail(reason);
    const checked = (raw: Backend) => {
      const above = new CheckedBackend(raw, "db", onDamage);
      above.keepInventory();
      return above;
    };
    const checksums = seams.checksums ?? checked;
    const pace = this.#backendPace;
    const world = { host, power, random, pace, counters, checksums };
    const backend = await simulatedBackend(image, world);
    return seams.backend?.(backend) ?? backend;
  }

  /** Makes a database from a received state; from its end on it is the one in use. */
  async #load(index: number): Promise<Backend> {
    const { random, counters } = this.#options;
    const pairs = this.#received.get(index);
    if (!pairs) throw new Error(`no state received at ${index}`);
    await new Promise<void>((resolve) => void this.host.after(random.next() * 100, resolve));
    this.power.pass("before", "snapshot filled");
    const image = new BackendImage();
    const backend = await this.#backendOf(image);
    await backend.writeBatch(stateForMember(pairs, this.id), { sync: true });
    // Only one that is whole is taken for the newest.
    this.backend = image;
    counters.note("snapshot installed");
    this.power.pass("after", "snapshot filled");
    return backend;
  }

  #assemble(parts: { wal: Wal; state: State; restored: Restored }): Generation {
    const { random, seams, witness, setting, ask, installs, counters } = this.#options;
    const { state, restored } = parts;
    seams.restored?.(restored, state);
    const raft = new Raft({ id: this.id, random, ...setting.core }, restored);
    seams.raft?.(raft);
    const number = this.host.generation;
    const generation = assemble({
      ...parts,
      raft,
      cutting: setting.cutting,
      timing: setting.timing,
      random,
      number,
      load: (index) => {
        installs();
        return this.#load(index);
      },
      installed: ({ index }) => this.#installed(index),
      dropSnapshot: ({ index }) => {
        counters.note("snapshot dropped");
        this.#received.delete(index);
      },
      clock: this.host.clock,
      power: this.power,
      send: (messages) => {
        if (this.host.generation === number) this.#send(messages);
      },
      ask,
      onApplied: () => witness.applied(this.id, state),
      onAlarms: () => witness.alarmed(this.id, state),
      onFatal: (reason) => this.#fatal(reason),
    });
    return generation;
  }

  #installed(index: number): void {
    this.power.pass("before", "snapshot in use");
    for (const each of this.#received.keys()) if (each <= index) this.#received.delete(each);
    this.power.pass("after", "snapshot in use");
  }

  #send(messages: Message[]): void {
    for (const message of messages) {
      const refuses = message.kind === "append-reply" && message.reject;
      if (refuses && this.power.cut("before", "append refused")) return;
      this.#options.witness.sent(message);
      if (message.kind === "snapshot") this.#sendSnapshot(message);
      else this.#options.send({ message });
      if (refuses && this.power.cut("after", "append refused")) return;
    }
  }

  /**
   * Sends a snapshot as the product's sender does: of the present state, even if the core asked for
   * an older one.
   */
  #sendSnapshot(message: SnapshotMessage): void {
    if (this.power.cut("before", "snapshot sent")) return;
    let state: Map<string, Buffer>;
    try {
      state = this.backend.copy();
    } catch (thrown) {
      // A snapshot that cannot be read cannot be sent: it is reported to the core as not delivered.
      if (!isDamage(thrown)) throw thrown;
      this.host.after(5, () => this.#generation?.replica.snapshotSent(message.to, false));
      return;
    }
    this.#options.send({ message: { ...message, mark: markOf(state) ?? message.mark }, state });
    this.power.cut("after", "snapshot sent");
  }

  #fatal(reason: unknown): void {
    const { witness } = this.#options;
    const expected = DISK_REASONS.has(codeOf(reason) ?? "") || isDamage(reason);
    if (!expected) witness.broke(this.id, reason);
    // The process ends; what the disk had cached is gone with the disk's own failure.
    if (this.standing !== "down") this.crash();
    witness.stopped(this.id, messageOf(reason));
  }

  /** A parcel arrives: a snapshot's state goes to disk before the core gets the message. */
  receive({ message, state }: Parcel): void {
    if (!this.#generation) return;
    if (message.kind === "snapshot" && state) {
      if (this.power.cut("before", "snapshot received")) return;
      this.#received.set(message.mark.index, state);
      if (this.power.cut("after", "snapshot received")) return;
    }
    this.#generation.replica.receive(message);
  }
}

/** Errors with which a member does not start because its disk has changed or lost something. */
const DAMAGE_REASONS = new Set(["LOG_DAMAGED", "LOG_FORMAT", "STATE_LOST"]);

/** Errors with which a member ends itself because its disk failed: S10, not a broken promise. */
const DISK_REASONS = new Set(["LOG_WRITE", "BACKEND_WRITE", "EIO"]);
