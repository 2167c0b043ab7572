import { afterAll, beforeAll, expect, it } from "vitest";
import { startApiserverOnStore } from "../../testing/apiserver/own-apiserver.ts";
import { type SendJson, senderTo } from "../../testing/apiserver/send-json.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";

const STATUSES = "/api/v1/componentstatuses";
let api: TestApiserver;
let send: SendJson;

beforeAll(async () => {
  api = await startApiserverOnStore();
  send = await senderTo(api);
});
afterAll(() => api.close());

async function renew(name: string, ago_ms: number): Promise<void> {
  const renewTime = new Date(Date.now() - ago_ms).toISOString().replace("Z", "000Z");
  const path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
  const spec = { holderIdentity: "a", leaseDurationSeconds: 15, renewTime };
  const { status, body } = await send("POST", path, "application/json", {
    metadata: { name },
    spec,
  });
  expect(status, JSON.stringify(body)).toBe(201);
}

interface Status {
  metadata: { name: string };
  conditions: { status: string; message: string }[];
}

it("reports each component's health, with a deprecation warning", async () => {
  await renew("kube-scheduler", 1_000);
  await renew("kube-controller-manager", 60_000);
  const { status, body, warnings } = await send("GET", STATUSES, "application/json", undefined);
  expect(status).toBe(200);
  expect(warnings).toEqual(["v1 ComponentStatus is deprecated in v1.19+"]);
  expect(body).toMatchObject({ kind: "ComponentStatusList", apiVersion: "v1" });
  const reported = (body["items"] as Status[]).map(({ metadata, conditions }) => {
    return `${metadata.name} ${conditions[0]!.status} ${conditions[0]!.message.slice(0, 13)}`;
  });
  expect(reported).toEqual([
    "controller-manager False its lease was",
    "scheduler True ok",
    "etcd-0 True ok",
  ]);
});

it("answers for one of them, and 404 for what is none", async () => {
  const one = await send("GET", `${STATUSES}/etcd-0`, "application/json", undefined);
  expect(one.body).toMatchObject({ kind: "ComponentStatus", conditions: [{ status: "True" }] });
  const none = await send("GET", `${STATUSES}/etcd-9`, "application/json", undefined);
  expect([none.status, none.body["reason"]]).toEqual([404, "NotFound"]);
});
