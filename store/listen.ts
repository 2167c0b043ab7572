import type { RequestListener } from "node:http";
import { Watch } from "@raft2kube/proto/gen/etcd.ts";
import { gateway } from "@raft2kube/rpc/gateway/gateway.ts";
import { listen as listenHttp } from "@raft2kube/rpc/listener.ts";
import { reflectionServices } from "@raft2kube/rpc/reflection.ts";
import { type RpcServer, serveGrpc } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { membersOf } from "./etcd/cluster/member-list.ts";
import { httpPages, notFoundPages } from "./etcd/http/http.ts";
import { answerAsLeader } from "./etcd/request/on-leader.ts";
import { LEADER_VERBS } from "./etcd/serve/leader-verbs.ts";
import { etcdServices } from "./etcd/serve/services.ts";
import { admitUser } from "./gateway/admit.ts";
import { GATEWAY_PATHS, GATEWAY_PREFIX } from "./gateway/routes.ts";
import { GRPC_OVERHEAD_BYTES, REQUEST_BYTES_MAX } from "./limits.ts";
import type { Machine } from "./machine.ts";
import { measured } from "./metrics/rpc.ts";
import type { Listen, StoreOptions } from "./options.ts";
import { PEER_PROTOCOLS } from "./transport/hello.ts";
import { Peers } from "./transport/peers.ts";
import { peerService, refuseForeign } from "./transport/serve.ts";

/** The parts that all addresses for clients share. */
export type Front = { readonly pages: RequestListener; readonly turns: InputTurns };

export function frontOf({ context }: Machine): Front {
  return { pages: httpPages(context), turns: new InputTurns(context.clock) };
}

/** Serves health and metrics alone (`--listen-metrics-urls`). */
export const listenForPages = (
  { listenMetrics = [] }: StoreOptions,
  { pages, turns }: Front,
): Promise<RpcServer[]> => serveAll(listenMetrics, (listen) => serveHttp(listen, pages, turns));

/** Serves clients on all their addresses, and HTTP alone on those that are for it. */
export async function listenForClients(
  options: StoreOptions,
  { context }: Machine,
  { pages, turns }: Front,
): Promise<{ grpc: RpcServer[]; http: RpcServer[] }> {
  const { requestBytes_max = REQUEST_BYTES_MAX, streams_max, tracer } = options;
  const { clock } = context;
  const etcd = etcdServices(context);
  const services = measured([...etcd, ...reflectionServices(etcd)], context.metrics);
  const messageBytes_max = requestBytes_max + GRPC_OVERHEAD_BYTES;
  const forClients =
    options.grpcGateway === false
      ? pages
      : gateway({
          paths: GATEWAY_PATHS,
          prefix: GATEWAY_PREFIX,
          lasting: Watch.methods.watch,
          services,
          messageBytes_max,
          clock,
          pages,
          admit: admitUser.bind(undefined, context),
        });
  const { listenHttp: apart = [] } = options;
  const shared = apart.length > 0 ? notFoundPages : forClients;
  const bounds = { messageBytes_max, ...(streams_max === undefined ? {} : { streams_max }) };
  const grpc = await serveAll(listed(options.listenClient), async (listen) => {
    const server = await serveGrpc({ services, listen, http: shared, turns, tracer, ...bounds });
    context.metrics.clientServers.push(server);
    return server;
  });
  try {
    return { grpc, http: await serveAll(apart, (listen) => serveHttp(listen, forClients, turns)) };
  } catch (thrown) {
    for (const server of grpc) await server.close();
    throw thrown;
  }
}

/** Serves on all addresses, or on none. */
async function serveAll(
  listens: readonly Listen[],
  serve: (listen: Listen) => Promise<RpcServer>,
): Promise<RpcServer[]> {
  const servers: RpcServer[] = [];
  try {
    for (const listen of listens) servers.push(await serve(listen));
    return servers;
  } catch (thrown) {
    for (const server of servers) await server.close();
    throw thrown;
  }
}

/** Parses an option with one or several addresses. */
export function listed(listen: Listen | readonly Listen[] | undefined): readonly Listen[] {
  if (listen === undefined) return [];
  return "length" in listen ? listen : [listen];
}

/** `http://host:port` of a server that listens there. */
export function urlOf(listen: Listen, { address }: RpcServer): string {
  if ("path" in listen) return address;
  return `${listen.tls ? "https" : "http"}://${address}`;
}

async function serveHttp(
  where: Listen,
  http: RequestListener,
  turns: InputTurns,
): Promise<RpcServer> {
  const tls = "tls" in where ? where.tls : undefined;
  const { port, close } = await listenHttp({ listen: where, tls, http, turns });
  const address = "path" in where ? `unix://${where.path}` : `${where.host}:${port}`;
  return {
    address,
    port,
    traffic: () => ({ receivedBytes: 0, sentBytes: 0 }),
    close() {
      close();
      return Promise.resolve();
    },
  };
}

/** Serves other members on all advertised addresses. */
export async function listenForPeers(
  { peers }: StoreOptions,
  { self, replica, transport, context, receiver }: Machine,
  clock: Clock,
): Promise<RpcServer[]> {
  if (!peers || !(transport instanceof Peers)) return [];
  const handlers = {
    metrics: context.metrics.peers,
    receive: replica.receive.bind(replica),
    met: transport.met.bind(transport),
    snapshot: receiver.receive.bind(receiver),
    answer: (kind: string, body: Buffer) => answerAsLeader(context, LEADER_VERBS, kind, body),
    members: () => ({
      protocol: PEER_PROTOCOLS.newest,
      clusterId: self.clusterId,
      members: membersOf(context.state).map(({ peerURLs, clientURLs, ...member }) => {
        return { ...member, peerUrls: peerURLs, clientUrls: clientURLs };
      }),
    }),
  };
  const services = [peerService(self, handlers, clock)];
  const servers: RpcServer[] = [];
  for (const listen of listed(peers.listen)) {
    servers.push(await serveGrpc({ services, listen, http: refuseForeign(self) }));
  }
  return servers;
}
