import type { MessageType } from "@raft2kube/proto/codec.ts";
import {
  Auth,
  Cluster,
  KV,
  Lease,
  Maintenance,
  Watch,
  type WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { Health } from "@raft2kube/proto/gen/health.ts";
import type { MethodTable, ServiceTable } from "@raft2kube/proto/service.ts";
import { type Channel, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bytes } from "./fixture.ts";
import { type Running, served } from "./implementations.ts";

let running: Running;
let channel: Channel;
const tokens: Record<string, string> = { forger: "nonsense.1" };

beforeAll(async () => {
  running = await served.start();
  channel = connectGrpc(running.endpoint!);
  const { auth } = running.client;
  await auth.userAdd({ name: "root", password: "secret" });
  await auth.userGrantRole({ user: "root", role: "root" });
  await auth.userAdd({ name: "alice", password: "pw" });
  await running.client.leaseGrant({ ID: 5n, TTL: 100 });
  await running.client.put({ key: bytes("k"), lease: 5n });
  await auth.authEnable({});
  tokens["alice"] = (await auth.authenticate({ name: "alice", password: "pw" })).token;
});
afterAll(async () => {
  channel.close();
  await running.stop();
});

const SERVICES = [KV, Watch, Lease, Cluster, Maintenance, Auth] as ServiceTable<unknown>[];

type Callers = Record<string, (request: unknown, options: unknown) => unknown>;

/** Every RPC of etcd, in a request that would be good for root. */
const RPCS = SERVICES.flatMap((service) =>
  Object.entries(service.methods as Record<string, MethodTable>).map(([name, method]) => {
    const title = `${service.fullName}/${method.name}`;
    return { title, name, service, method };
  }),
);

const k = bytes("k");
const REQUESTS: Record<string, unknown> = {
  range: { key: k },
  put: { key: k },
  deleteRange: { key: k },
  txn: { success: [{ requestTxn: { success: [{ requestPut: { key: k } }] } }] },
  compact: { revision: 2 },
  watch: { createRequest: { key: k } },
  leaseRevoke: { ID: 5n },
  leaseKeepAlive: { ID: 5n },
  leaseTimeToLive: { ID: 5n, keys: true },
  leaseGrant: { ID: 6n, TTL: 100 },
  memberAdd: { peerURLs: ["http://127.0.0.1:1"] },
  memberUpdate: { ID: 1n, peerURLs: ["http://127.0.0.1:1"] },
  userGet: { name: "root" },
  roleGet: { role: "root" },
  roleGrantPermission: { name: "r", perm: { key: k } },
};

/** Returns an RPC's error for a user, or "done". */
async function answer(rpc: (typeof RPCS)[number], token: string | undefined): Promise<string> {
  const { service, method, name } = rpc;
  const callers = client(channel, service) as unknown as Callers;
  const metadata = token === undefined ? {} : { token };
  const request = REQUESTS[name] ?? (method.request as MessageType<unknown>).create();
  async function* once() {
    yield request;
  }
  try {
    const options = { metadata, timeout_ms: 10_000 };
    const result = callers[name]!(method.clientStream ? once() : request, options);
    if (!method.serverStream) await result;
    else {
      for await (const part of result as AsyncIterable<Partial<WatchResponse>>) {
        return part.canceled === true ? part.cancelReason!.replace(/.* desc = /, "") : "done";
      }
    }
    return "done";
  } catch (thrown) {
    if (thrown instanceof RpcError) return thrown.message;
    throw thrown;
  }
}

const UNNAMED: Record<string, string> = {
  authenticate: "etcdserver: authentication failed, invalid user ID or password",
};

test.each(RPCS)("$title checks its caller's permission", async (rpc) => {
  const expected = UNNAMED[rpc.name] ?? "etcdserver: user name is empty";
  expect(await answer(rpc, undefined)).toBe(expected);
});

test.each(RPCS)("$title takes no forged token", async (rpc) => {
  const expected = UNNAMED[rpc.name] ?? "etcdserver: invalid auth token";
  expect(await answer(rpc, tokens["forger"])).toBe(expected);
});

/** Requests that any user may make. */
const FREE = ["leaseGrant", "memberList", "status", "alarm"];

test.each(RPCS)("$title asks what a user may do", async (rpc) => {
  const denied = UNNAMED[rpc.name] ?? "etcdserver: permission denied";
  const expected = FREE.includes(rpc.name) ? "done" : denied;
  expect(await answer(rpc, tokens["alice"])).toBe(expected);
});

test("health needs no credentials", async () => {
  expect(await client(channel, Health).check({})).toEqual({ status: 1 });
});
