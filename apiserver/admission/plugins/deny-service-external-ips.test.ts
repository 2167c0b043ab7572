import { afterAll, beforeAll, expect, it } from "vitest";
import { type EtcdServer, startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import { type SendJson, senderTo } from "../../../testing/apiserver/send-json.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";

const SERVICES = "/api/v1/namespaces/default/services";
const REFUSAL = 'services "web" is forbidden: Use of external IPs is denied by admission control';

let etcd: EtcdServer;
let api: TestApiserver;
let send: SendJson;

beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(async () => {
  await api.close();
  await etcd.close();
});

const create = (externalIPs: string[]) => {
  const body = { metadata: { name: "web" }, spec: { ports: [{ port: 80 }], externalIPs } };
  return send("POST", SERVICES, "application/json", body);
};
const patch = (externalIPs: string[] | null) => {
  const type = "application/merge-patch+json";
  return send("PATCH", `${SERVICES}/web`, type, { spec: { externalIPs } });
};

it("is off by default, as upstream", async () => {
  api = await startTestApiserver(etcd.client);
  send = await senderTo(api);
  expect((await create(["192.0.2.1", "192.0.2.2"])).status).toBe(201);
  await api.close();
});

it("lets a Service give up external addresses, and get none", async () => {
  const admission = { enable: ["DenyServiceExternalIPs"] };
  api = await startTestApiserver(etcd.client, { admission });
  send = await senderTo(api);
  expect((await patch(["192.0.2.2"])).status).toBe(200);
  const refused = await patch(["192.0.2.2", "192.0.2.3"]);
  expect([refused.status, refused.body["message"]]).toEqual([403, REFUSAL]);
  expect((await patch(null)).status).toBe(200);
  await send("DELETE", `${SERVICES}/web`, "application/json", undefined);
  const created = await create(["192.0.2.1"]);
  expect([created.status, created.body["message"]]).toEqual([403, REFUSAL]);
});
