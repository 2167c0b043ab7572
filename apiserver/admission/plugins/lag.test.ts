import type { EtcdClient, WatchStream } from "@raft2kube/client-etcd/client.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ask } from "../../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";

const NAMESPACE = "/api/v1/namespaces/default";
/** Resources whose caches see no change while the test runs. */
const HELD_BACK = ["limitranges", "resourcequotas", "serviceaccounts"];

let etcd: EtcdServer;
let api: TestApiserver;
let admin: KeyPair;
const end = Promise.withResolvers<void>();

/** A stream whose watches of those kinds stand still. */
function heldBack(stream: WatchStream): WatchStream {
  const create: WatchStream["create"] = (request) => {
    const key = String(request.key);
    if (HELD_BACK.some((plural) => key.includes(`/${plural}/`))) {
      void end.promise.then(() => stream.create(request));
    } else stream.create(request);
  };
  return {
    create,
    cancel: (id) => stream.cancel(id),
    requestProgress: () => stream.requestProgress(),
    close: () => stream.close(),
    [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
  };
}

beforeAll(async () => {
  etcd = await startEtcd();
  const lagging = new Proxy(etcd.client, {
    get: (client, name: keyof EtcdClient) => {
      if (name === "watch") return (...args: []) => heldBack(client.watch(...args));
      const member: unknown = client[name];
      return typeof member === "function" ? (member.bind(client) as unknown) : member;
    },
  });
  api = await startTestApiserver(lagging);
  admin = await api.credentials("admin", ["system:masters"]);
  await post("/serviceaccounts", { kind: "ServiceAccount", metadata: { name: "default" } });
});
afterAll(async () => {
  end.resolve();
  await api.close();
  await etcd.close();
});

async function post(path: string, body: object) {
  const headers = { "content-type": "application/json" };
  const whole = { apiVersion: "v1", ...body };
  return ask(api, NAMESPACE + path, { ...admin, method: "POST", headers, body: whole });
}

const pod = (name: string) => ({
  kind: "Pod",
  metadata: { name },
  spec: { containers: [{ name: "c", image: "web:1" }] },
});

it("the first pod after a LimitRange gets its defaults, though the cache lags", async () => {
  const limits = [{ type: "Container", default: { cpu: "2" }, defaultRequest: { cpu: "1" } }];
  const range = { kind: "LimitRange", metadata: { name: "bounds" }, spec: { limits } };
  expect((await post("/pods", pod("before"))).status).toBe(201);
  expect((await post("/limitranges", range)).status).toBe(201);
  const made = await post("/pods", pod("first"));
  expect(made.status).toBe(201);
  const { spec } = JSON.parse(made.body) as { spec: { containers: { resources: object }[] } };
  expect(spec.containers[0]?.resources).toEqual({ limits: { cpu: "2" }, requests: { cpu: "1" } });
});

it("the first object after a quota is counted, though the cache lags", async () => {
  const quota = {
    kind: "ResourceQuota",
    metadata: { name: "few" },
    spec: { hard: { configmaps: "0" } },
  };
  expect((await post("/resourcequotas", quota)).status).toBe(201);
  const status = { hard: { configmaps: "0" }, used: { configmaps: "0" } };
  const written = await ask(api, `${NAMESPACE}/resourcequotas/few/status`, {
    ...admin,
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: { status },
  });
  expect(written.status).toBe(200);
  const made = await post("/configmaps", { kind: "ConfigMap", metadata: { name: "one" } });
  expect(made.status).toBe(403);
  expect(made.body).toContain("exceeded quota: few");
});
