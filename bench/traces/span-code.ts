import type { IncomingMessage } from "node:http";
import type { Exchange, Filter } from "@raft2kube/apiserver/http/filters.ts";
import { part, tracedVerb, tracing } from "@raft2kube/apiserver/http/tracing.ts";
import { parseRequestInfo } from "@raft2kube/apiserver/request/request-info.ts";
import { beginSpan, type Tracer, traced } from "@raft2kube/observe/trace/tracer.ts";
import { KV, type KVMethods } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { startTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { quantile } from "../benchmark.ts";

const ROUNDS = 300;
const WARM_ROUNDS = 60;
const REQUESTS_OF_ROUND = 500;
const REQUESTS_AT_ONCE = 50;
/** A round that other programs disturb takes longer; none takes less time than its work. */
export const UNDISTURBED = 0.1;

type Store = Pick<RpcClient<KVMethods>, "put">;

/**
 * Returns the CPU time, in microseconds of a create, that the code of spans takes at a sampling
 * rate, in API server and store together: the filters and steps of a create with its call to a
 * store, but without the work that they do, once with the spans and once without, in turn. Its
 * rounds are short and many, and those least disturbed count: the difference is that of the code.
 */
export async function spanCode(endpoint: string, samplingRatePerMillion: number): Promise<number> {
  const config = { endpoint, samplingRatePerMillion };
  const tracer = startTracing({ name: "apiserver" }, config);
  const owned = startTracing({ name: "etcd" }, { endpoint }, tracer.options.sink);
  const sides = await Promise.all([storeWith(owned), storeWith(undefined)]);
  try {
    const creates = [tracedCreate(tracer, sides[0].store), plainCreate(sides[1].store)];
    const found: number[][] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const took_us = await cpuOf(creates[at]!);
        if (round >= WARM_ROUNDS) found[at]!.push(took_us);
      }
    }
    const [with_, without] = found.map((rounds) => quantile(rounds, UNDISTURBED));
    return with_! - without!;
  } finally {
    for (const { close } of sides) await close();
    await tracer.close();
  }
}

async function cpuOf(create: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  for (let left = REQUESTS_OF_ROUND; left > 0; left -= REQUESTS_AT_ONCE) {
    await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, create));
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / REQUESTS_OF_ROUND;
}

async function storeWith(tracer: Tracer | undefined) {
  const put = async () => {
    beginSpan("propose")?.end();
    return {};
  };
  const listen = { host: "127.0.0.1", port: 0 };
  const server = await serveGrpc({ listen, services: [serve(KV, { put })], tracer });
  const channel = connectGrpc(`http://${server.address}`);
  const store: Store = client<KVMethods>(channel, KV);
  const close = () => {
    channel.close();
    return server.close();
  };
  return { store, close };
}

const plainCreate = (store: Store) => () =>
  through([pass, pass, pass, pass], newExchange(), () => written(store));

const pass: Filter = (_, next) => next();
const FILTERS = ["audit", "impersonation", "authorization", "priorityandfairness"];

/** The filters and steps as in `apiserver/http/chain.ts` and what it leads to. */
const tracedCreate = (tracer: Tracer, store: Store) => () => {
  const exchange = newExchange();
  const filters = [tracing(tracer), ...FILTERS.map((name) => part(name, pass))];
  return through(filters, exchange, () =>
    tracedVerb(exchange.context, async () => {
      for (const step of ["admit", "validate"]) beginSpan(step)?.end();
      const span = beginSpan("Create etcd3", { attributes: { key: "/registry/pods/default/a" } });
      const event = beginSpan("watch event");
      await written(store);
      event?.end();
      span?.end();
      await traced("SerializeObject", () => Promise.resolve());
    }),
  );
};

function through(filters: readonly Filter[], exchange: Exchange, last: () => Promise<void>) {
  const at = (i: number): Promise<void> =>
    i < filters.length ? filters[i]!(exchange, () => at(i + 1)) : last();
  return at(0);
}

const written = async (store: Store) => void (await store.put({ key: KEY, value: KEY }));
const KEY = Buffer.from("/registry/pods/default/a");
const PATH = "/api/v1/namespaces/default/pods";

/** Returns a request to create a pod, as far as the filters of traces read it. */
function newExchange(): Exchange {
  const request = {
    method: "POST",
    url: PATH,
    headers: { "user-agent": "bench" },
    socket: { remoteAddress: "127.0.0.1" },
  } as unknown as IncomingMessage;
  const info = parseRequestInfo("POST", PATH, new URLSearchParams());
  const context = { id: "a", request, info, user: { groups: [] }, response: { statusCode: 201 } };
  return { context } as unknown as Exchange;
}
