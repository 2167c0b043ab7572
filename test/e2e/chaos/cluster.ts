import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { type ClusterMethods, Cluster as ClusterService } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { require, Violation } from "../../../testing/violation.ts";
import { waitFor } from "../../../testing/wait.ts";
import { ChaosMember } from "./member.ts";
import { Machine, openHub, openSharedMemory } from "./surroundings.ts";

const NAMES = ["a", "b", "c"];
/** How soon all must be well once nothing is wrong any more, on however busy a machine. */
const RECOVERY_MS = 240_000;
const ASK_TIMEOUT_MS = 2_000;

/**
 * How a member ends itself after its files were changed under it: it says what to do with itself or
 * its data. A bug, an assertion that does not hold, has no remedy.
 */
const REFUSAL = /^ {2}remedy: .*((this|the) member|data directory|member remove|the file)/m;
/** LevelDB's own assertions, which end the process where it cannot read a table. */
const ENGINE = /leveldb.*: Assertion .* failed/;
const DISK_FULL = /ENOSPC|no space/i;

/** Three members, each on a machine of its own. */
export class ChaosCluster {
  readonly members: ChaosMember[] = [];
  /** Members that ended themselves for a reason that was given to them, and what was done. */
  replaced = 0;
  endedByDamage = 0;
  endedByFullDisk = 0;

  /** All members are of one release at first, which is named by its root. */
  static async open(folder: string, release: string): Promise<ChaosCluster> {
    openSharedMemory();
    openHub();
    const cluster = new ChaosCluster();
    for (const [i, name] of NAMES.entries()) {
      const machine = await Machine.open(folder, name, i + 1);
      cluster.members.push(new ChaosMember(machine, folder, release));
    }
    for (const member of cluster.members) member.start(cluster.members, "new");
    await cluster.well();
    return cluster;
  }

  others(member: ChaosMember): ChaosMember[] {
    return this.members.filter((each) => each !== member);
  }

  /** The member that leads, by its own word. */
  leader(): Promise<ChaosMember> {
    const leads = async () => {
      for (const member of this.members) {
        const { leader, header } = await member.client.status({ timeout_ms: ASK_TIMEOUT_MS });
        if (leader === header!.memberId) return member;
      }
      return undefined;
    };
    return waitFor("a leader", leads, { timeout_ms: RECOVERY_MS });
  }

  /** Ends all faults, and waits until every member answers. */
  async heal(): Promise<void> {
    for (const { machine } of this.members) {
      machine.mend();
      machine.emptyDisk();
    }
    for (const member of this.members) {
      member.resume();
      if (!member.runs) await this.#revive(member);
    }
    await this.well();
  }

  async #revive(member: ChaosMember): Promise<void> {
    if (!this.#mustBeReplaced(member)) return member.start(this.members, "existing");
    await this.replace(member);
  }

  /** Why a member ended; only what was done to it may be the reason. */
  #mustBeReplaced({ name, ended, suspect }: ChaosMember): boolean {
    if (!ended) return false;
    const { code, words } = ended;
    if (DISK_FULL.test(words)) {
      this.endedByFullDisk++;
      return false;
    }
    const refused = REFUSAL.test(words) || ENGINE.test(words);
    require(suspect && refused, "ended itself", `${name} with ${code}: ${words}`);
    this.endedByDamage++;
    return true;
  }

  /** Resolves when each member reads what the others have. */
  async well(): Promise<void> {
    for (const member of this.members) await this.#answers(member);
  }

  async #answers(member: ChaosMember): Promise<void> {
    // A broken property does not get better by waiting.
    let broken: Violation | undefined;
    const revived = async () => {
      if (!member.runs) await this.#revive(member);
    };
    const answers = async () => {
      await revived().catch((thrown: unknown) => {
        if (!(thrown instanceof Violation)) throw thrown;
        broken = thrown;
      });
      if (broken) return true;
      await member.client.range({ key: Buffer.from("k") }, { timeout_ms: ASK_TIMEOUT_MS });
      return true;
    };
    const options = { clock: systemClock(), timeout_ms: RECOVERY_MS };
    await waitFor(`${member.name} to answer`, answers, options).catch((thrown: unknown) => {
      throw new Violation("recovery", String(thrown));
    });
    if (broken) throw broken;
  }

  /** A member is asked to end, and goes on with the software of another release. */
  async change(member: ChaosMember, release: string): Promise<void> {
    const code = await member.stop();
    require(code === 0, "graceful stop", `${member.name} ended with ${code}`);
    member.release = release;
    member.start(this.members, "existing");
    await this.well();
  }

  /** A member goes for good, and one with an empty disk takes its place, first listening. */
  async replace(member: ChaosMember): Promise<void> {
    await member.kill();
    const old = await this.#idOf(member);
    if (old !== undefined) await this.#admin(member, (admin) => admin.memberRemove({ ID: old }));
    member.blank();
    const peerURLs = [member.peerUrl];
    await this.#admin(member, (admin) => admin.memberAdd({ peerURLs, isLearner: true }));
    member.start(this.members, "existing");
    const young = await this.#idOf(member);
    await this.#admin(member, (admin) => admin.memberPromote({ ID: young! }));
    this.replaced++;
  }

  async #idOf({ peerUrl }: ChaosMember): Promise<bigint | undefined> {
    const { members } = await this.#admin(undefined, (admin) => admin.memberList({}));
    return members.find(({ peerURLs }) => peerURLs.includes(peerUrl))?.ID;
  }

  /** Asks any member but one, again and again until it is done. */
  async #admin<T>(but: ChaosMember | undefined, call: (admin: Admin) => Promise<T>): Promise<T> {
    const asked = this.members.filter((member) => member !== but && member.runs);
    let turn = 0;
    const done = async () => {
      const channel = connectGrpc(asked[turn++ % asked.length]!.clientUrl);
      try {
        return { value: await call(client(channel, ClusterService)) };
      } catch (thrown) {
        if (thrown instanceof RpcError || thrown instanceof EtcdError) return undefined;
        throw thrown;
      } finally {
        channel.close();
      }
    };
    const options = { clock: systemClock(), timeout_ms: RECOVERY_MS, interval_ms: 200 };
    return (await waitFor("a change of the members", done, options)).value;
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.close()));
  }
}

type Admin = RpcClient<ClusterMethods>;
