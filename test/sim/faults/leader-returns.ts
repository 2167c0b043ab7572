import type { Member } from "../cluster/member.ts";
import { link } from "../world/partition.ts";
import { around, when } from "./between-leaders.ts";
import type { FaultWorld } from "./inject.ts";

/** How long others have to elect a leader, its append to arrive, and the old leader to return. */
const ELECTION_MS_MAX = 4_000;
const APPEND_MS_MAX = 500;
const RETURN_MS_MAX = 5_000;
/** How often it is looked: more often than a new leader can commit its first entry. */
const LOOK_MS = 0.2;

/**
 * The others do not receive a leader's messages, so that they elect another one, whose first entry
 * takes the place of what only the old leader has, but is not committed: the new leader crashes,
 * and the old one leads again, in a later term, before it has applied an entry of another leader.
 * Undefined without a leader and another voter.
 */
export function leaderReturns(
  world: Pick<FaultWorld, "cluster" | "operator" | "timeline">,
  returned: () => void,
): { readonly ended: boolean } | undefined {
  const { cluster, operator, timeline } = world;
  const { network } = cluster;
  const old = cluster.leadingMember;
  const born = old?.generation;
  if (!old || !born || born.raft.state.membership.voters.length < 3) return undefined;
  const standing = { ended: false };
  const end = () => {
    network.join();
    standing.ended = true;
  };
  /** Runs the next step, unless all faults are over or the old leader has ended meanwhile. */
  const next = (act: () => void) => () => {
    if (operator.hurries) standing.ended = true;
    else if (old.generation !== born) end();
    else act();
  };
  const { term } = born.raft.state;
  const others = cluster.all.filter((member) => member !== old);
  const young = () => {
    const { leadingMember: leads } = cluster;
    return leads && (leads.generation?.raft.state.term ?? 0) > term ? leads : undefined;
  };
  const hears = (from: Member) => () => {
    const { role, log } = born.raft.state;
    return role === "follower" && log.term(log.lastIndex) === from.generation?.raft.state.term;
  };
  const leads = () => born.raft.isLeader && born.raft.state.term > term;
  const elected = next(() => {
    const successor = young()!;
    const toOld = link(successor.id, old.id);
    const cut = [...around(old, others), ...around(successor, others)];
    network.cut(cut.filter((each) => each !== toOld));
    const crashes = next(() => {
      successor.crash();
      network.join();
      const again = () => {
        returned();
        standing.ended = true;
      };
      when({ timeline, look_ms: LOOK_MS }, RETURN_MS_MAX, leads, again, end);
    });
    when({ timeline, look_ms: LOOK_MS }, APPEND_MS_MAX, hears(successor), crashes, next(end));
  });
  network.cut(others.map(({ id }) => link(old.id, id)));
  const isElected = () => young() !== undefined;
  when({ timeline, look_ms: LOOK_MS }, ELECTION_MS_MAX, isElected, elected, next(end));
  return standing;
}
