import type { EtcdContext } from "../request/context.ts";

// The checks of etcd's --strict-reconfig-check before a membership change.

/** Voters, and how many of them have started: a started one has published its name. */
function voters({ state }: EtcdContext): { ID: bigint; started: boolean }[] {
  const { learners } = state.membership;
  return state.members
    .values()
    .filter(({ ID }) => !learners.includes(ID))
    .map(({ ID, name }) => ({ ID, started: name !== "" }));
}

const quorumOf = (count: number) => Math.floor(count / 2) + 1;

/** Whether the started voters are a quorum with one more voter, which may never start. */
export function readyToAddVoter(context: EtcdContext): boolean {
  const all = voters(context);
  const started = all.filter((voter) => voter.started).length;
  // From one member to two there is no other way.
  if (started === 1 && all.length === 1) return true;
  return started >= quorumOf(all.length + 1);
}

/** Whether the started voters are a quorum with the learner, which has started. */
export function readyToPromote(context: EtcdContext): boolean {
  const all = voters(context);
  return all.filter(({ started }) => started).length + 1 >= quorumOf(all.length + 1);
}

/** Whether those that stay are started, a quorum of them. */
export function readyToRemoveVoter(context: EtcdContext, id: bigint): boolean {
  const rest = voters(context).filter(({ ID }) => ID !== id);
  if (rest.length === 0) return false;
  return rest.filter(({ started }) => started).length >= quorumOf(rest.length);
}

function answers({ state, transport }: EtcdContext, id: bigint): boolean {
  return id === state.identity.memberId || transport.connectedSince_ms(id) !== undefined;
}

const answering = (context: EtcdContext, all: readonly { ID: bigint }[]) =>
  all.filter(({ ID }) => answers(context, ID)).length;

/** Whether the voters that answer are a quorum with one more, which does not (etcd 3.6.11). */
export function staysConnected(context: EtcdContext): boolean {
  const all = voters(context);
  return all.length === 1 || answering(context, all) >= quorumOf(all.length + 1);
}

/**
 * Whether enough voters answer to continue without this one. One that is down may always be
 * removed.
 */
export function safeToRemove(context: EtcdContext, id: bigint): boolean {
  const all = voters(context);
  if (!answers(context, id)) return true;
  return answering(context, all) - 1 >= quorumOf(all.length - 1);
}
