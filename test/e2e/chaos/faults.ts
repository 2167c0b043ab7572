import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import type { ChaosCluster } from "./cluster.ts";
import { DAMAGED, falsify, flipBit } from "./damage.ts";
import type { ChaosMember } from "./member.ts";
import { Machine } from "./surroundings.ts";

/** Something that goes wrong for a while. */
export interface ChaosFault {
  readonly name: string;
  /** Whether it takes a member's data: the others must be well, without another fault. */
  readonly alone?: boolean;
  /** Starts the fault. Returns false when it is not possible here. */
  begin(cluster: ChaosCluster, victim: ChaosMember, random: Random): boolean | Promise<boolean>;
}

const machinesOf = (members: readonly ChaosMember[]) => members.map(({ machine }) => machine);

const NETWORK: readonly ChaosFault[] = [
  {
    name: "isolated",
    begin(cluster, victim) {
      const others = cluster.others(victim);
      victim.machine.drop(machinesOf(others), 100);
      for (const other of others) other.machine.drop([victim.machine], 100);
      return true;
    },
  },
  {
    name: "hears nothing of the others",
    begin(cluster, victim) {
      victim.machine.drop(machinesOf(cluster.others(victim)), 100);
      return true;
    },
  },
  {
    name: "two do not hear each other, the third hears both",
    begin(cluster, victim) {
      const [one, other] = cluster.others(victim);
      one!.machine.drop([other!.machine], 100);
      other!.machine.drop([one!.machine], 100);
      return true;
    },
  },
  {
    name: "packets lost",
    begin(cluster, _, random) {
      for (const member of cluster.members) {
        member.machine.drop(machinesOf(cluster.others(member)), randomInteger(random, 2, 30));
      }
      return true;
    },
  },
  {
    name: "slow link",
    begin(_, victim) {
      victim.machine.slow();
      return true;
    },
  },
];

const PROCESS: readonly ChaosFault[] = [
  {
    name: "killed",
    async begin(_, victim) {
      await victim.kill();
      return true;
    },
  },
  {
    name: "all killed",
    async begin(cluster) {
      await Promise.all(cluster.members.map((member) => member.kill()));
      return true;
    },
  },
  {
    name: "stopped",
    begin(_, victim) {
      victim.pause();
      return true;
    },
  },
  {
    name: "wall clock stepped",
    begin(_, victim, random) {
      if (!Machine.clockCanStep) return false;
      victim.machine.stepClock(pick(random, [-86_400, -60, 60, 86_400]));
      return true;
    },
  },
];

const DISK: readonly ChaosFault[] = [
  {
    name: "disk full",
    begin(_, victim) {
      victim.machine.fillDisk();
      return true;
    },
  },
  ...DAMAGED.map(
    (kind): ChaosFault => ({
      name: `bit flipped in the ${kind}`,
      alone: true,
      async begin(cluster, victim, random) {
        await victim.kill();
        const done = flipBit(victim.dataDir, kind, random);
        victim.suspect ||= done;
        victim.start(cluster.members, "existing");
        return done;
      },
    }),
  ),
  {
    name: "value changed behind its checksum",
    alone: true,
    async begin(cluster, victim) {
      await victim.kill();
      const done = await falsify(victim.dataDir);
      victim.suspect ||= done;
      // It asks the others before it serves.
      const check = "--feature-gates=InitialCorruptCheck=true";
      victim.start(cluster.members, "existing", check);
      return done;
    },
  },
  {
    name: "member replaced",
    alone: true,
    async begin(cluster, victim) {
      await cluster.replace(victim);
      return true;
    },
  },
];

export const CHAOS_FAULTS: readonly ChaosFault[] = [...NETWORK, ...PROCESS, ...DISK];
