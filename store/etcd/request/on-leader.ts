import { EtcdError, etcdError, isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { MessageType } from "@raft2kube/proto/codec.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { NONE } from "../../core/types.ts";
import type { EtcdContext } from "./context.ts";

/** A request that only the leader can answer, and how it travels there. */
export interface LeaderVerb<Q, R> {
  kind: string;
  request: MessageType<Q>;
  response: MessageType<R>;
  /** Answers it on the leader; rejects with etcd's "not leader" anywhere else. */
  here: (context: EtcdContext, request: Q) => Promise<R>;
}

/** Answers here if this member leads, else passes the request on; waits for a leader. */
export async function onLeader<Q, R>(
  context: EtcdContext,
  verb: LeaderVerb<Q, R>,
  request: Q,
): Promise<R> {
  const { clock, replica } = context;
  const end_ms = clock.monotonic() + replica.request_ms;
  for (;;) {
    if (replica.stopped) throw etcdError("stopped");
    const left_ms = end_ms - clock.monotonic();
    if (left_ms <= 0) throw lateError(context);
    try {
      const answer = await attempt(context, verb, request, left_ms);
      if (answer) return answer;
    } catch (thrown) {
      if (!mayMove(thrown)) throw thrown;
    }
    await delay(clock, replica.timing.tick_ms);
  }
}

function lateError({ replica }: EtcdContext): EtcdError {
  return etcdError(replica.raft.state.leader === NONE ? "noLeader" : "timeout");
}

async function attempt<Q, R>(
  context: EtcdContext,
  verb: LeaderVerb<Q, R>,
  request: Q,
  timeout_ms: number,
): Promise<R | undefined> {
  const { replica, transport, state } = context;
  const { leader } = replica.raft.state;
  if (leader === NONE) return undefined;
  if (leader === state.identity.memberId) return verb.here(context, request);
  const body = verb.request.encode(request as never);
  try {
    return verb.response.decode(await transport.ask(leader, verb.kind, body, timeout_ms));
  } catch (thrown) {
    if (thrown instanceof RpcError) throw new EtcdError(thrown.status, thrown.message);
    throw thrown;
  }
}

/** The leader has changed or gone: another may answer. Everything else is the answer. */
function mayMove(thrown: unknown): boolean {
  if (isEtcdError(thrown, "notLeader") || isEtcdError(thrown, "deadlineExceeded")) return true;
  return thrown instanceof EtcdError && thrown.status === Status.UNAVAILABLE;
}

/** The peers' side: answers what another member passed on. */
export async function answerAsLeader(
  context: EtcdContext,
  verbs: LeaderVerb<never, never>[],
  kind: string,
  body: Buffer,
): Promise<Buffer> {
  const verb = verbs.find((each) => each.kind === kind);
  if (!verb) throw new RpcError(Status.UNIMPLEMENTED, `no request of kind ${kind} between members`);
  try {
    return verb.response.encode(await verb.here(context, verb.request.decode(body)));
  } catch (thrown) {
    if (thrown instanceof EtcdError) throw new RpcError(thrown.status, thrown.message);
    throw thrown;
  }
}
