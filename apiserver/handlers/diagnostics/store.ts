import { Agent, type AgentOptions } from "node:http";
import type { ConnectOptions, EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { http1Transport } from "@raft2kube/client-kube/transport/http1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { STORE_STATUS_MS } from "../../limits.ts";
import { type Answer, jsonAnswer } from "../../request/answer.ts";

export const STORE_PATH = "/debug/store";

type At = { tls?: ConnectOptions["tls"] | undefined; endpoint?: string };

/** Answers `/debug/store`: what each member of the store says of itself, or why it is silent. */
export async function dumpStore(etcd: EtcdClient): Promise<Answer> {
  const { connection } = etcd;
  const members = connection?.endpoints.map((endpoint) => {
    const client = connectEtcd({ ...connection, endpoints: [endpoint], spread: false });
    return memberOf(client, { endpoint, tls: connection.tls }).finally(() => client.close());
  });
  return jsonAnswer({ members: await Promise.all(members ?? [memberOf(etcd, {})]) });
}

/** Member ids are written as etcdctl does, in hexadecimal. */
async function memberOf(client: EtcdClient, at: At): Promise<object> {
  const { endpoint = "the API server's own" } = at;
  const failed = (thrown: unknown) => ({ errors: [messageOf(thrown)] });
  const raft = raftOf(at).catch(failed);
  try {
    const status = await client.status({ timeout_ms: STORE_STATUS_MS });
    const { version, isLearner, raftTerm: term, raftIndex: index, dbSize: bytes } = status;
    const { memberId = 0n, revision = 0 } = status.header ?? {};
    const { errors = [], ...more } = await raft;
    return {
      ...{ endpoint, member: memberId.toString(16), leader: status.leader.toString(16) },
      ...{ term, index, ...more, applied: status.raftAppliedIndex, revision },
      ...{ version, bytes, isLearner, errors: [...status.errors, ...errors] },
    };
  } catch (thrown) {
    return { endpoint, ...failed(thrown) };
  }
}

type Raft = { vote?: string; commit?: number; errors?: string[] };

/** The member's vote in its term and its commit index, which etcd's `/debug/vars` alone has. */
async function raftOf({ endpoint, tls = {} }: At): Promise<Raft> {
  if (endpoint === undefined) return {};
  const { protocol, pathname: socketPath } = new URL(endpoint);
  const isSocket = protocol === "unix:";
  const server = isSocket ? "http://localhost" : endpoint;
  const agent = isSocket ? new Agent({ socketPath } as AgentOptions) : undefined;
  const connection = { ...tls, server, tlsServerName: tls.serverName };
  const transport = http1Transport(connection, systemClock(), agent);
  try {
    const get = { method: "GET", path: "/debug/vars", headers: {}, timeout_ms: STORE_STATUS_MS };
    const { status, body } = await transport.fetch(get);
    // etcd can have its pages elsewhere.
    if (status !== 200) return {};
    const vars = JSON.parse(body.toString()) as { "raft.status": Required<Raft> };
    const { vote, commit } = vars["raft.status"];
    return { vote, commit };
  } finally {
    transport.close();
  }
}
