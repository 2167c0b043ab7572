import { pick, type Random } from "@raft2kube/std/random.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { Member } from "../cluster/member.ts";
import { link } from "../world/partition.ts";
import type { FaultWorld } from "./inject.ts";

/** How long others have to elect a leader, and a member to refuse its append and to start. */
const ELECTION_MS_MAX = 4_000;
const REFUSAL_MS_MAX = 300;
const START_MS_MAX = 1_000;
/** How often it is looked whether something has happened. */
const LOOK_MS = 5;
/** Time in which a member's messages arrive before others lose contact with it. */
const ANSWER_MS = 10;
/** Time in which the old leader's messages arrive before the new one is connected again. */
const CATCH_UP_MS = 30;
/** Voters among which a majority is left without the old leader and one more. */
const VOTERS_MIN = 5;

/**
 * How long the member misses messages that others get, and how long a leader then has no followers.
 */
export type Pauses = { readonly behind_ms: number; readonly apart_ms: number };

/**
 * A member that lags behind a leader learns of the next one, rejects its append, crashes before
 * its term is durable, and is brought up to date by the old leader's messages: its log has more
 * entries than it reported to the new leader, and a tail that no other member has. Undefined if no
 * member can be spared.
 */
export function betweenLeaders(
  world: Pick<FaultWorld, "cluster" | "operator" | "timeline">,
  random: Random,
  { behind_ms, apart_ms }: Pauses,
): { readonly ended: boolean } | undefined {
  const { cluster, operator, timeline } = world;
  const { network } = cluster;
  const looks = { timeline, look_ms: LOOK_MS };
  const old = cluster.all.find(({ generation }) => generation && generation === cluster.leader);
  const member = old && spared(cluster, old, random);
  if (!old || !member) return undefined;
  const standing = { ended: false };
  const end = () => {
    network.release(old.id, member.id);
    network.join();
    standing.ended = true;
  };
  /** Runs the next step, unless all faults are over or someone has left meanwhile. */
  const next = (act: () => void) => () => {
    const there = [old, member].every((each) => cluster.members.get(each.id) === each);
    if (operator.hurries || !there) standing.ended = true;
    else act();
  };
  const apart = (some: readonly Member[]) => {
    const others = cluster.all.filter((each) => each !== old && each !== member);
    network.cut(some.flatMap((each) => around(each, others)));
  };
  const { term } = old.generation!.raft.state;
  const elected = () => (cluster.leader?.raft.state.term ?? 0) > term;
  const catchesUp = next(() => {
    network.release(old.id, member.id);
    timeline.after(CATCH_UP_MS, next(end));
  });
  const starts = next(() => {
    apart([old, member]);
    if (member.standing === "down" && !member.lost) member.start();
    when(looks, START_MS_MAX, () => member.generation !== undefined, catchesUp, next(end));
  });
  const hears = next(() => {
    apart([old]);
    let crashed = false;
    const act = () => {
      crashed = true;
      member.crash();
    };
    member.power.appointed = { side: "after", moment: "append refused", act };
    const answered = () => timeline.after(ANSWER_MS, starts);
    when(looks, REFUSAL_MS_MAX, () => crashed, answered, next(end));
  });
  network.hold(old.id, member.id);
  const parts = next(() => {
    apart([old, member]);
    const leads = () => timeline.after(apart_ms, hears);
    when(looks, ELECTION_MS_MAX, elected, leads, next(end));
  });
  timeline.after(behind_ms, parts);
  return standing;
}

/** A member without which, and without the old leader, others can elect one. */
function spared(cluster: Cluster, old: Member, random: Random): Member | undefined {
  const { membership } = old.generation!.raft.state;
  const { voters, learners } = membership;
  const others = cluster.all.filter((member) => member !== old && member.generation);
  const listening = others.filter(({ id }) => learners.includes(id));
  const voting = voters.length >= VOTERS_MIN ? others.filter(({ id }) => voters.includes(id)) : [];
  const possible = [...(voters.length > 2 ? listening : []), ...voting];
  return possible.length > 0 ? pick(random, possible) : undefined;
}

export function around({ id }: Member, others: readonly Member[]): string[] {
  return others.flatMap((other) => [link(id, other.id), link(other.id, id)]);
}

/** Looks every `look_ms`: does `then` once `holds`, or `otherwise` when it has not for so long. */
export function when(
  { timeline, look_ms }: { timeline: Timeline; look_ms: number },
  within_ms: number,
  holds: () => boolean,
  then: () => void,
  otherwise: () => void,
): void {
  const end_ms = timeline.now_ms + within_ms;
  const look = () => {
    if (holds()) return then();
    if (timeline.now_ms >= end_ms) return otherwise();
    timeline.after(look_ms, look);
  };
  look();
}
