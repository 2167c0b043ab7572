import { require } from "../../../../testing/violation.ts";
import { CONTROL_PLANES, type Machine, type Machines } from "./machines.ts";

/** Something that goes wrong with machines for a while. */
export interface MachineFault {
  readonly name: string;
  /** The goal: how long a request may take, with all of its attempts, or the return. */
  readonly slowest_ms?: number;
  /** Whether a node may be the victim. */
  readonly ofNodes?: boolean;
  /** Resolves with the time to return where that counts, and not the slowest answer. */
  run(machines: Machines, victim: Machine): Promise<number | void>;
}

/** How long a fault goes on. */
const HOLD_MS = 6_000;
const KILL_GOAL_MS = 3_000;
const SILENCE_GOAL_MS = 5_000;
const MAJORITY_LOST_MS = 20_000;
const RETURN_GOAL_MS = 5_000;

export const KILLED: MachineFault = {
  name: "killed",
  slowest_ms: KILL_GOAL_MS,
  ofNodes: true,
  run: (machines, victim) => machines.signal(victim, "SIGKILL"),
};

export const PAUSED: MachineFault = {
  name: "paused",
  slowest_ms: SILENCE_GOAL_MS,
  ofNodes: true,
  async run(machines, victim) {
    await machines.signal(victim, "SIGSTOP");
    await machines.pause(HOLD_MS);
    await machines.signal(victim, "SIGCONT");
  },
};

export const CUT_OFF: MachineFault = {
  name: "cut off",
  slowest_ms: SILENCE_GOAL_MS,
  ofNodes: true,
  async run(machines, victim) {
    await machines.cable(victim, "down");
    await machines.pause(HOLD_MS);
    await machines.cable(victim, "up");
  },
};

const DISK_FULL: MachineFault = {
  name: "disk full",
  slowest_ms: SILENCE_GOAL_MS,
  async run(machines, victim) {
    machines.fillDisk(victim);
    await machines.pause(HOLD_MS);
    machines.emptyDisk(victim);
  },
};

const REPLACED: MachineFault = {
  name: "lost with its disk, and replaced",
  slowest_ms: SILENCE_GOAL_MS,
  run: (machines, victim) => machines.replace(victim as (typeof CONTROL_PLANES)[number]),
};

/**
 * Each control plane is ended gracefully and started again in turn: no attempt fails, and none of
 * client-go's, whose informer misses nothing.
 */
export const ROLLED: MachineFault = {
  name: "all restarted in turn",
  async run(machines) {
    const endInformer = machines.startInformer();
    for (const name of CONTROL_PLANES) {
      await machines.restart(name);
      await machines.well();
    }
    const informer = await endInformer?.();
    require(informer === undefined ||
      informer.failed.length + informer.missed.length ===
        0, "no request of client-go fails, its informer misses nothing", JSON.stringify(informer));
    const failed = machines.attempts.filter(({ failure }) => failure !== undefined);
    require(failed.length === 0, "no request fails", JSON.stringify(failed.slice(0, 5)));
  },
};

/** The reasons of etcd for a proposal that a leader had taken, and for one that never met one. */
const REFUSED = /etcdserver: |context deadline exceeded/;

/** Writes are refused with a reason, and go on by themselves when one of the two is back. */
export const MAJORITY_LOST: MachineFault = {
  name: "two paused",
  slowest_ms: RETURN_GOAL_MS,
  async run(machines, victim) {
    const others = CONTROL_PLANES.filter((name) => name !== victim);
    for (const name of others) await machines.signal(name, "SIGSTOP");
    await machines.pause(MAJORITY_LOST_MS);
    const refused = machines.attempts.filter(({ failure }) => REFUSED.test(failure ?? ""));
    await machines.signal(others[0]!, "SIGCONT");
    const back_ms = performance.now();
    require(refused.length > 0, "a write without a majority is refused with a reason", String(
      machines.attempts.slice(-5).map(({ failure }) => failure),
    ));
    await machines.answers(20);
    const took_ms = Math.round(performance.now() - back_ms);
    await machines.signal(others[1]!, "SIGCONT");
    return took_ms;
  },
};

export const FAULTS: readonly MachineFault[] = [
  KILLED,
  PAUSED,
  CUT_OFF,
  DISK_FULL,
  REPLACED,
  MAJORITY_LOST,
  ROLLED,
];
