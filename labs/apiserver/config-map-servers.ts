import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { listObjects } from "@raft2kube/apiserver/registry/list.ts";
import { readListOptions } from "@raft2kube/apiserver/registry/list-options.ts";
import { Resource } from "@raft2kube/apiserver/resource/resource.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { OwnStore } from "../06-mvcc-and-watch/own-store.ts";
import { judge } from "../judge.ts";
import { isUnwritten } from "../must.ts";
import { orBroken } from "./broken.ts";

export const clock = systemClock();
export const NAMESPACE = "lab";
const CONFIG_MAP = kindOf("", "v1", "ConfigMap")!;

/** One store with its own data directory, and any number of ConfigMap servers on it. */
export class ConfigMapServers {
  readonly store: OwnStore;
  readonly #servers: Resource[] = [];

  constructor(store: OwnStore) {
    this.store = store;
  }

  get etcd(): EtcdClient {
    return this.store.client;
  }

  /** Returns the ConfigMaps of one apiserver, with their own cache. */
  server(etcd = this.etcd): Resource {
    const server = new Resource(CONFIG_MAP, etcd, clock);
    this.#servers.push(server);
    return server;
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
    await this.store.close();
  }
}

/** Runs a check on new servers; watches may fail for reasons that match `mayBreak`. */
export async function withServers(
  body: (maps: ConfigMapServers) => Promise<void>,
  mayBreak?: RegExp,
): Promise<void> {
  const maps = new ConfigMapServers(await OwnStore.start());
  try {
    await orBroken(() => body(maps), mayBreak);
  } finally {
    await maps.close();
  }
}

export function mapOf(name: string, n = 0): ConfigMap {
  const metadata = { name, namespace: NAMESPACE };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data: { n: String(n) } };
}

/** `data.n` of a map that `mapOf` made. */
export function numberIn(map: ConfigMap | undefined): number {
  return Number(map?.data?.["n"] ?? Number.NaN);
}

/** A list as a check reads it. */
export interface Listed {
  readonly names: readonly string[];
  readonly revision: number;
  readonly continue: string;
  readonly remaining: number | undefined;
}

/** Lists as a request with this query would: `limit=2`. */
export async function list(server: Resource, query: string): Promise<Listed> {
  const options = readListOptions(server.kind, new URLSearchParams(query));
  const found = await listObjects(server, NAMESPACE, options);
  return {
    names: found.items.map((body) => (JSON.parse(body.toString()) as ConfigMap).metadata.name!),
    revision: found.revision,
    continue: found.continue ?? "",
    remaining: found.remaining,
  };
}

/** Returns a request's ApiError: `410 Expired`; undefined if it succeeded. */
export async function refusalOf(work: () => Promise<unknown>): Promise<ApiError | undefined> {
  try {
    await work();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof ApiError) return thrown;
    if (isUnwritten(thrown) || !(thrown instanceof CodedError)) throw thrown;
    return judge(false, {
      when: "a request fails",
      expected: "an ApiError, which has a status for the client",
      happened: `${thrown.name}: ${thrown.message}`,
      why: "any other error is 500 Internal Server Error: the client does not know what to do",
    });
  }
}
