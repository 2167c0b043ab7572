import { systemClock } from "@raft2kube/std/clock.ts";
import { Wal } from "@raft2kube/store/wal/wal.ts";
import type { Operation } from "../../testing/disk/scheduled-disk.ts";
import { judge } from "../judge.ts";
import { recordable, type StepClock } from "../replay/case.ts";
import { plainState, type Recorder } from "../replay/recorder.ts";
import type { Cell } from "../replay/recording.ts";
import { CrashDisk } from "./crash-disk.ts";

const identity = { clusterId: 1n, memberId: 2n };
/** Small segments: each moment of the recording recovers the log from a copy of the disk. */
const OPTIONS = { identity, clock: systemClock(), segmentBytes: 16_384 };
/** Appends 1 to 3 come together, the others when these are acknowledged. */
const WAVES: readonly (readonly [after: number, appends: readonly number[]])[] = [
  [0, [1, 2, 3]],
  [1, [4, 5]],
  [5, [6, 7, 8]],
];
/** Turns of the loop without work after which the run has ended. */
const IDLE_TURNS_MAX = 50;
const TURNS_MAX = 2_000;
/** The part of each unsynced write that is on the disk after the power loss. */
const TORN_SHARE = 0.6;

/** Plays appends on a disk that loses power at operation `dieAt`, 0 for never. */
class LogRun {
  readonly #recorder: Recorder;
  readonly #clock: StepClock;
  readonly #disk: CrashDisk;
  readonly #wal: Wal;
  readonly #dones = new Map<number, object>();
  #appended = 0;
  #acknowledged = 0;

  constructor(recorder: Recorder, clock: StepClock, dieAt: number) {
    this.#recorder = recorder;
    this.#clock = clock;
    this.#disk = new CrashDisk(dieAt > 0 ? dieAt : undefined);
    this.#disk.onOperation = (operation) => this.#operated(operation);
    recorder.track("core", "Raft core", this.#core());
    recorder.track("log", "write-ahead log", plainState("log"));
    recorder.track("disk", "disk", plainState("disk"));
    this.#wal = open(this.#disk);
  }

  #core() {
    const facts = { appended: this.#appended, acknowledged: this.#acknowledged };
    return plainState("core", { facts });
  }

  /** Appends, and lets the disk work until the run has ended. */
  async play(): Promise<void> {
    const waves = [...WAVES];
    let idle = 0;
    for (let turn = 0; turn < TURNS_MAX && idle < IDLE_TURNS_MAX && !this.#disk.dead; turn++) {
      if (waves[0] && this.#acknowledged >= waves[0][0]) {
        for (const id of waves.shift()![1]) this.#append(id);
      }
      idle = this.#disk.idle ? idle + 1 : 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (this.#disk.dead) this.#recover();
    const last = WAVES.at(-1)![1].at(-1)!;
    judge(this.#disk.dead || this.#acknowledged === last, {
      when: `${last} appends, and the disk is idle`,
      expected: `done() of all ${last}`,
      happened: `done() of ${this.#acknowledged}`,
      why: "the member waits for it, and its clients get no answer",
    });
  }

  #append(id: number): void {
    this.#clock.next();
    const message = { from: "core", to: "log", family: "append" as const };
    const detail = `append of entry ${id}, term 1; nothing waits for the disk`;
    const key = {};
    this.#recorder.sent(key, { ...message, label: `append ${id}`, detail });
    this.#appended = id;
    this.#wal.append(write(id), () => this.#done(id));
    this.#clock.next();
    this.#recorder.arrived(key, false);
    this.#record();
  }

  #done(id: number): void {
    const key = {};
    const message = { from: "log", to: "core", family: "read" as const };
    const detail = `done() of entry ${id}: the core counts on it from now on`;
    this.#recorder.sent(key, { ...message, label: `done ${id}`, detail });
    this.#dones.set(id, key);
    this.#acknowledged = Math.max(this.#acknowledged, id);
  }

  #operated(operation: Operation): void {
    const family = operation === "sync" ? "snapshot" : "write";
    const key = {};
    const detail = `the disk's operation ${this.#disk.operations}: ${operation}`;
    this.#recorder.sent(key, { from: "log", to: "disk", family, label: operation, detail });
    this.#clock.next();
    this.#recorder.arrived(key, false);
    // Acknowledgements that this operation's end has caused arrive with the next step.
    queueMicrotask(() => this.#record());
  }

  #record(): void {
    const { dead } = this.#disk;
    const durable = recovered(this.#disk, () => 0).at(-1) ?? 0;
    const written = recovered(this.#disk, () => 1);
    if (this.#dones.size > 0) this.#clock.next();
    for (const key of this.#dones.values()) this.#recorder.arrived(key, false);
    this.#dones.clear();
    const queued = cells(Array.from({ length: this.#appended }, (_, i) => i + 1));
    this.#recorder.state("core", this.#core());
    const acknowledged = { name: "acknowledged", at: this.#acknowledged };
    this.#recorder.state("log", plainState("log", { cells: queued, marks: [acknowledged] }));
    const marks = [{ name: "survives a power loss", at: durable }];
    const condition = dead ? ("down" as const) : ("running" as const);
    this.#recorder.state("disk", plainState("disk", { condition, cells: cells(written), marks }));
  }

  /** Power is lost in the middle of a write, then the member starts again. */
  #recover(): void {
    this.#clock.next();
    const { operations } = this.#disk;
    this.#recorder.note("disk", "fault", `power lost at operation ${operations}`);
    for (const track of ["core", "log", "disk"]) {
      this.#recorder.state(track, plainState(track, { condition: "down" }));
    }
    this.#clock.next();
    const found = recovered(this.#disk, () => TORN_SHARE);
    this.#recorder.note("log", "fault", "the member starts again and reads the log");
    this.#recorder.state("disk", plainState("disk", { cells: cells(found) }));
    const facts = { appended: this.#appended, acknowledged: this.#acknowledged };
    this.#recorder.state("core", plainState("core", { facts }));
    const marks = [{ name: "acknowledged", at: this.#acknowledged }];
    this.#recorder.state("log", plainState("log", { cells: cells(found), marks }));
    this.#clock.next();
    const last = found.at(-1) ?? 0;
    this.#recorder.note("log", "remark", `recovered entries 1 to ${last}`);
    judge(last >= this.#acknowledged, {
      when: `power lost at disk operation ${operations}`,
      expected: `entries 1 to ${this.#acknowledged} in the log: they were acknowledged`,
      happened: `the log ends with entry ${last}`,
      why: "acknowledged means durable (promise S1)",
    });
  }
}

function open(disk: CrashDisk): Wal {
  const onFatal = (reason: Error) => {
    throw reason;
  };
  return Wal.open({ ...OPTIONS, disk, onFatal }).wal;
}

function write(id: number) {
  const entry = { index: id, term: 1, data: Buffer.from(`command ${id}`), change: undefined };
  return { id, entries: [entry], hardState: undefined, snapshot: undefined };
}

/** The entries that a start would find now, if this much of the unsynced writes stayed. */
function recovered(disk: CrashDisk, keep: (write: number) => number): number[] {
  const copy = disk.restarted(keep);
  const onFatal = (reason: Error) => {
    throw reason;
  };
  const { recovered: log } = Wal.open({ ...OPTIONS, disk: copy, onFatal });
  return log.entries.map(({ index }) => index);
}

function cells(indexes: readonly number[]): Cell[] {
  return indexes.map((index) => ({ index, group: 1, text: `entry ${index}` }));
}

recordable({
  title: "appends, syncs and a power loss",
  about:
    "The core appends without waiting. While one sync runs, later appends queue and share the " +
    "next. An entry is acknowledged once it would survive a power loss. Choose a crash point.",
  unit: "step",
  variantName: "power lost at disk operation",
  variants: [0, 8, 10, 12, 16, 19],
  play: (recorder, clock, dieAt) => new LogRun(recorder, clock, dieAt).play(),
});
