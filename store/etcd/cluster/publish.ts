import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { type EtcdContext, proposeCommand, readBarrier } from "../request/context.ts";

/** How a member presents itself to the others. */
export interface Presence {
  name: string;
  clientURLs: string[];
  /** Peer URLs, published only if the cluster does not know them yet. */
  peerURLs: string[];
}

/** Resolves once this member has caught up with the cluster, however long a leader takes. */
export async function caughtUp(context: EtcdContext): Promise<void> {
  await persist(() => readBarrier(context));
}

/** Publishes this member's name and addresses to the cluster, unless they are known. */
export async function publish(context: EtcdContext, presence: Presence): Promise<void> {
  const { state } = context;
  const ID = state.identity.memberId;
  const { name, clientURLs, peerURLs } = presence;
  const known = state.members.get(ID);
  if (known?.name !== name || known.clientURLs.join() !== clientURLs.join()) {
    const request = { ID, name, clientURLs, peerURLs: [], isLearner: false };
    await persist(() =>
      proposeCommand<"member-publish">(context, { kind: "member-publish", request }),
    );
  }
  if (peerURLs.length === 0 || (known && known.peerURLs.length > 0)) return;
  const request = { ID, peerURLs };
  await persist(() => proposeCommand<"member-update">(context, { kind: "member-update", request }));
}

const TIMEOUTS = ["timeout", "timeoutLeader", "timeoutConnection", "deadlineExceeded"] as const;

/** Tries again for as long as only time is wrong. */
async function persist(attempt: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await attempt();
      return;
    } catch (thrown) {
      const patient = TIMEOUTS.some((name) => isEtcdError(thrown, name));
      if (!patient) throw thrown;
    }
  }
}
