import { systemClock } from "@raft2kube/std/clock.ts";
import { require } from "../../../testing/violation.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { ChaosCluster } from "./cluster.ts";
import type { ChaosMember } from "./member.ts";
import { THIS_RELEASE } from "./releases.ts";
import type { Chaos } from "./rounds.ts";

const REFUSAL_MS = 60_000;

/**
 * Three members of an earlier release go over to this one, one after the other, and one of them
 * back and forth again, while clients work; the leader is the last to go, and hands over. In both
 * mixed clusters a member of the lesser release is replaced, so that it receives a snapshot of the
 * other's. Throws a Violation when a property does not hold.
 */
export async function rollingUpgrade(chaos: Chaos, old: string): Promise<void> {
  const change = async (cluster: ChaosCluster, member: ChaosMember, release: string) => {
    await cluster.change(member, release);
    await chaos.answers();
    chaos.counters.note(release === old ? "member downgraded" : "member upgraded");
  };
  const replaceMember = async (cluster: ChaosCluster, member: ChaosMember) => {
    await cluster.replace(member);
    await cluster.well();
    await chaos.answers();
    chaos.counters.note("member replaced among members of another release");
  };
  let replaced: ChaosMember | undefined;
  await chaos.act(async (cluster) => {
    const leader = await cluster.leader();
    const [first, second] = cluster.others(leader) as [ChaosMember, ChaosMember];
    replaced = first;
    await change(cluster, first, THIS_RELEASE);
    await replaceMember(cluster, first);
    await change(cluster, second, THIS_RELEASE);
    await change(cluster, leader, THIS_RELEASE);
  });
  await chaos.act(async (cluster) => {
    const one = await canGoBack(cluster, replaced!);
    await change(cluster, one, old);
    await replaceMember(cluster, one);
    await change(cluster, one, THIS_RELEASE);
  });
  await chaos.act((cluster) => refusesNewerData(chaos, cluster, old));
}

/**
 * The leader, or another member where the one that was replaced leads: its data, which this release
 * created, is what the earlier one refuses.
 */
async function canGoBack(cluster: ChaosCluster, replaced: ChaosMember): Promise<ChaosMember> {
  const leader = await cluster.leader();
  return leader === replaced ? cluster.others(replaced)[0]! : leader;
}

/** Data that this release created has a format that the earlier one does not know. */
async function refusesNewerData(chaos: Chaos, cluster: ChaosCluster, old: string): Promise<void> {
  const [member] = cluster.members as [ChaosMember];
  await cluster.replace(member);
  await member.stop();
  member.release = old;
  member.start(cluster.members, "existing");
  const options = { clock: systemClock(), timeout_ms: REFUSAL_MS };
  const { words } = await waitFor("the earlier release to refuse", () => member.ended, options);
  const named = /format \d+; this release reads up to \d+/.test(words);
  require(named, "downgrade", `${member.name} ended otherwise: ${words}`);
  chaos.counters.note("newer data refused by the earlier release");
  member.release = THIS_RELEASE;
  member.start(cluster.members, "existing");
}
