import type { IPAddress, ServiceCIDR } from "@raft2kube/api/gen/networking/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask } from "../../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { REPAIR_INTERVAL_MS, SERVICE_CIDR_INTERVAL_MS } from "../../limits.ts";
import type { Service } from "./service.ts";

const SERVICES = "/api/v1/namespaces/default/services";
const NETWORKING = "/apis/networking.k8s.io/v1";
/** 14 addresses, of which the Service `kubernetes` has the first. */
const RANGE = "10.96.0.0/28";
const MANAGER = "ipaddress.kubernetes.io/managed-by";

const clock = systemClock();
/** Time of which only what is mended goes faster: that server is asked nothing. */
const hurried = {
  ...clock,
  after: (ms: number, fn: () => void) =>
    clock.after([REPAIR_INTERVAL_MS, SERVICE_CIDR_INTERVAL_MS].includes(ms) ? 50 : ms, fn),
};

let etcd: EtcdServer;
let server: TestApiserver;
let mending: TestApiserver;
let admin: { cert: string; key: string };

beforeAll(async () => {
  etcd = await startEtcd();
  server = await startTestApiserver(etcd.client, { serviceCidr: RANGE });
  mending = await startTestApiserver(etcd.client, { serviceCidr: RANGE, clock: hurried });
  admin = await server.credentials("a", ["system:masters"]);
});
afterAll(async () => {
  await mending.close();
  await server.close();
  await etcd.close();
});

async function send(method: string, path: string, body?: object) {
  const options = { method, ...(body && { body }), ...admin };
  const { status, body: text } = await ask(server, path, options);
  return { status, object: JSON.parse(text) as Record<string, unknown> & { message?: string } };
}

const create = (name: string, spec: object = {}) =>
  send("POST", SERVICES, { metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
const addressOf = ({ status, object }: Awaited<ReturnType<typeof send>>) => {
  expect(status, object.message).toBe(201);
  return (object as unknown as Service).spec.clusterIP!;
};
const range = (name: string, ...cidrs: string[]) =>
  send("POST", `${NETWORKING}/servicecidrs`, { metadata: { name }, spec: { cidrs } });
const sayReady = async (name: string, status: "True" | "False") => {
  const path = `${NETWORKING}/servicecidrs/${name}`;
  const { object } = await send("GET", path);
  const lastTransitionTime = "2026-01-01T00:00:00Z";
  const ready = { type: "Ready", status, reason: "", message: "", lastTransitionTime };
  return await send("PUT", `${path}/status`, { ...object, status: { conditions: [ready] } });
};
const addressObject = async (address: string) =>
  await send("GET", `${NETWORKING}/ipaddresses/${address}`);
const reasons = async () => {
  const { object } = await send("GET", "/api/v1/events");
  return (object["items"] as { reason: string }[]).map(({ reason }) => reason);
};

describe("ranges of Services", () => {
  it("the first is that of the flag, ready, and made again when it is gone", async () => {
    const path = `${NETWORKING}/servicecidrs/kubernetes`;
    const read = async () => (await send("GET", path)).object as unknown as ServiceCIDR;
    const first = await read();
    expect(first).toMatchObject({
      spec: { cidrs: [RANGE] },
      status: {
        conditions: [
          { type: "Ready", status: "True", message: "Kubernetes default Service CIDR is ready" },
        ],
      },
    });
    expect((await send("DELETE", path)).status).toBe(200);
    await waitFor("another", async () => {
      const { metadata, status } = await read();
      return (
        metadata.uid !== undefined &&
        metadata.uid !== first.metadata.uid &&
        status?.conditions?.[0]?.status === "True"
      );
    });
  });

  it("every address of a range is allocated, none twice, and then those of another", async () => {
    const made = [];
    for (let i = 2; i <= 14; i++) made.push(addressOf(await create(`s${i}`)));
    const all = Array.from({ length: 13 }, (_, i) => `10.96.0.${i + 2}`);
    expect(made.toSorted()).toEqual(all.toSorted());
    const { status, object } = await create("full");
    expect([status, object.message]).toEqual([
      500,
      "Internal error occurred: failed to allocate " +
        'a serviceIP for Service "full": range is full',
    ]);
    expect((await range("more", "10.97.0.0/30")).status).toBe(201);
    const more = [addressOf(await create("m1")), addressOf(await create("m2"))];
    expect(more.toSorted()).toEqual(["10.97.0.1", "10.97.0.2"]);
    expect((await create("m3")).status).toBe(500);
    expect((await addressObject("10.97.0.1")).object).toMatchObject({
      metadata: { labels: { [MANAGER]: "ipallocator.k8s.io" } },
      spec: { parentRef: { resource: "services", namespace: "default" } },
    });
  });

  it("one that is not ready, or is being deleted, gives no address", async () => {
    await range("apart", "10.98.0.0/24");
    expect((await sayReady("apart", "False")).status).toBe(200);
    const refused = async () => {
      const { status, object } = await create("x", { clusterIP: "10.98.0.9" });
      return [status, object.message];
    };
    const why =
      "failed to allocate IP 10.98.0.9: " + "the provided network does not match the current range";
    const message =
      'Service "x" is invalid: spec.clusterIPs: Invalid value: ' + `["10.98.0.9"]: ${why}`;
    expect(await refused()).toEqual([422, message]);
    expect((await create("any")).status).toBe(500);
    await sayReady("apart", "True");
    expect(addressOf(await create("x", { clusterIP: "10.98.0.9" }))).toBe("10.98.0.9");
    const finalizers = ["example.com/hold"];
    await ask(server, `${NETWORKING}/servicecidrs/apart`, {
      method: "PATCH",
      body: JSON.stringify({ metadata: { finalizers } }),
      ...admin,
      headers: { "content-type": "application/merge-patch+json" },
    });
    await send("DELETE", `${NETWORKING}/servicecidrs/apart`);
    await waitFor(
      "no address any more",
      async () => (await create("y", { clusterIP: "10.98.0.10" })).status === 422,
    );
    // An address allocated before is freed with its Service.
    await send("DELETE", `${SERVICES}/x`);
    expect((await addressObject("10.98.0.9")).status).toBe(404);
  });

  it("low addresses are left to those who ask for them", async () => {
    await range("wide", "10.99.0.0/16");
    const made = [];
    for (let i = 0; i < 40; i++) made.push(addressOf(await create(`w${i}`)));
    expect(made.filter((each) => each.startsWith("10.99.0."))).toEqual([]);
    const asked = await create("low", { clusterIP: "10.99.0.10" });
    expect(addressOf(asked)).toBe("10.99.0.10");
  });

  it("a dry run takes no address, and refuses one of no range", async () => {
    const dry = (clusterIP: string) =>
      send("POST", `${SERVICES}?dryRun=All`, {
        metadata: { name: "dry" },
        spec: { ports: [{ port: 80 }], clusterIP },
      });
    expect((await dry("10.99.0.20")).status).toBe(201);
    expect((await addressObject("10.99.0.20")).status).toBe(404);
    expect((await dry("172.16.0.1")).status).toBe(422);
  });
});

describe("addresses and the objects that stand for them", () => {
  it("an address that a user has taken is given to no Service, and stays", async () => {
    const parentRef = { group: "example.com", resource: "gateways", name: "g" };
    const metadata = { name: "10.99.0.30" };
    await send("POST", `${NETWORKING}/ipaddresses`, { metadata, spec: { parentRef } });
    const { status, object } = await create("taken", { clusterIP: "10.99.0.30" });
    expect([status, object.message]).toEqual([422, expect.stringContaining("already allocated")]);
    await create("passing", { clusterIP: "10.99.0.31" });
    // Several rounds of the repair: this one is put right in the first of them.
    await send("DELETE", `${NETWORKING}/ipaddresses/10.99.0.31`);
    await waitFor("the repair", async () => (await addressObject("10.99.0.31")).status === 200);
    expect((await addressObject("10.99.0.30")).status).toBe(200);
  });

  it("what refers to no Service, or to another, is put right, with Events", async () => {
    await create("right", { clusterIP: "10.99.0.40" });
    const labels = { [MANAGER]: "ipallocator.k8s.io", "ipaddress.kubernetes.io/ip-family": "IPv4" };
    const put = async (name: string, service: string) => {
      await send("DELETE", `${NETWORKING}/ipaddresses/${name}`);
      const parentRef = { resource: "services", namespace: "default", name: service };
      const metadata = { name, labels };
      await send("POST", `${NETWORKING}/ipaddresses`, { metadata, spec: { parentRef } });
    };
    await put("10.99.0.40", "gone");
    await put("10.99.0.41", "gone");
    await waitFor("the reference", async () => {
      const { object } = await addressObject("10.99.0.40");
      return (object as unknown as IPAddress).spec?.parentRef?.name === "right";
    });
    await waitFor(
      "the end of the leak",
      async () => (await addressObject("10.99.0.41")).status === 404,
    );
    await waitFor("the events", async () => {
      const known = await reasons();
      return ["ClusterIPNotAllocated", "IPAddressNotAllocated"].every((reason) =>
        known.includes(reason),
      );
    });
  });
});
