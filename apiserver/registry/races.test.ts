import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Answer, ask } from "../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { startTestApiserver, type TestApiserver } from "../../testing/apiserver/test-apiserver.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const SERVICES = "/api/v1/namespaces/default/services";
const MERGE = "application/merge-patch+json";

type Txn = EtcdClient["txn"];

let etcd: EtcdServer;
let api: TestApiserver;
let admin: KeyPair;
/** The action on the next transaction that writes a key with this suffix. */
let next: { end: string; meet: (send: () => ReturnType<Txn>) => ReturnType<Txn> } | undefined;

beforeAll(async () => {
  etcd = await startEtcd();
  const txn: Txn = (request, options) => {
    const send = () => etcd.client.txn(request, options);
    const key = request.compare?.[0]?.key?.toString() ?? "";
    if (next === undefined || !key.endsWith(next.end)) return send();
    const { meet } = next;
    next = undefined;
    return meet(send);
  };
  const met = new Proxy(etcd.client, {
    get: (client, name: keyof EtcdClient) => {
      if (name === "txn") return txn;
      const member: unknown = client[name];
      return typeof member === "function" ? (member.bind(client) as unknown) : member;
    },
  });
  api = await startTestApiserver(met);
  admin = await api.credentials("admin", ["system:masters"]);
});
afterAll(async () => {
  await api.close();
  await etcd.close();
});
afterEach(() => expect(next).toBeUndefined());

function send(
  method: string,
  path: string,
  body?: object,
  type = "application/json",
): Promise<Answer> {
  const headers = { "content-type": type };
  return ask(api, path, { ...admin, method, headers, ...(body && { body }) });
}

const apply = (name: string, data: object) =>
  send(
    "PATCH",
    `${MAPS}/${name}?fieldManager=m`,
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data },
    "application/apply-patch+yaml",
  );

it("an apply whose object is deleted meanwhile creates it again, a patch does not", async () => {
  expect((await apply("going", { a: "1" })).status).toBe(201);
  const meet = async (sending: () => ReturnType<Txn>) => {
    await etcd.client.deleteRange({ key: Buffer.from("/registry/configmaps/default/going") });
    return await sending();
  };
  next = { end: "/going", meet };
  expect((await apply("going", { a: "2" })).status).toBe(201);
  next = { end: "/going", meet };
  const patched = await send("PATCH", `${MAPS}/going`, { data: { a: "3" } }, MERGE);
  expect(patched.status).toBe(404);
});

it("an apply whose object comes meanwhile changes that", async () => {
  next = {
    end: "/coming",
    meet: async (sending) => {
      expect((await apply("coming", { first: "1" })).status).toBe(201);
      return await sending();
    },
  };
  const answer = await apply("coming", { second: "2" });
  expect([answer.status, answer.body]).toEqual([200, expect.stringContaining(`"second":"2"`)]);
});

const service = (name: string, spec: object) =>
  send("POST", SERVICES, {
    metadata: { name },
    spec: { type: "NodePort", ports: [{ port: 80 }], ...spec },
  });

it("reservations of a write with an unknown outcome stay", async () => {
  next = {
    end: "/lost",
    meet: async (sending) => {
      await sending();
      throw etcdError("timeout");
    },
  };
  const clusterIP = "10.96.0.55";
  expect((await service("lost", { clusterIP })).status).toBe(500);
  // It happened.
  expect((await send("GET", `${SERVICES}/lost`)).status).toBe(200);
  expect((await service("other", { clusterIP })).status).toBe(422);
});

it("a Service that its last change removes frees what it held, not what it asked for", async () => {
  const nodePort = 30_123;
  const ports = [{ port: 80, nodePort }];
  expect((await service("holder", { ports })).status).toBe(201);
  const finalizers = ["example.com/f"];
  const body = {
    metadata: { name: "asker", finalizers },
    spec: { type: "NodePort", ports: [{ port: 80 }] },
  };
  expect((await send("POST", SERVICES, body)).status).toBe(201);
  expect((await send("DELETE", `${SERVICES}/asker`)).status).toBe(200);
  const last = { metadata: { finalizers: null }, spec: { ports } };
  expect((await send("PATCH", `${SERVICES}/asker`, last, MERGE)).status).toBe(200);
  expect((await send("GET", `${SERVICES}/asker`)).status).toBe(404);
  expect((await service("third", { ports })).status).toBe(422);
});
