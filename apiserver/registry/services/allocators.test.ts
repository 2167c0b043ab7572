import { Agent } from "node:https";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AskOptions, ask } from "../../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { REPAIR_INTERVAL_MS } from "../../limits.ts";
import { prefixEnd } from "../../storage/rows.ts";
import type { Service } from "./service.ts";

const SERVICES = "/api/v1/namespaces/default/services";
const COUNT = 100;
const IN_FLIGHT = 50;

const clock = systemClock();
/** Time of which only the mending of reservations goes faster. */
const hurried: Clock = {
  ...clock,
  after: (ms, fn) => clock.after(ms === REPAIR_INTERVAL_MS ? 100 : ms, fn),
};

interface Client {
  send(method: string, path: string, body?: object): ReturnType<typeof ask>;
  close(): void;
}

let etcd: EtcdServer;
let servers: TestApiserver[];
let clients: Client[];

beforeAll(async () => {
  etcd = await startEtcd();
  servers = [await startTestApiserver(etcd.client), await startTestApiserver(etcd.client)];
  clients = await Promise.all(servers.map(clientOf));
});
afterAll(async () => {
  for (const client of clients) client.close();
  for (const server of servers) await server.close();
  await etcd.close();
});

async function clientOf(server: TestApiserver): Promise<Client> {
  const admin = await server.credentials("a", ["system:masters"]);
  const agent = new Agent({ keepAlive: true, ca: server.ca.cert, ...admin });
  return {
    send: (method, path, body) => {
      const options: AskOptions = { method, agent, ...admin, ...(body ? { body } : {}) };
      return ask(server, path, options);
    },
    close: () => agent.destroy(),
  };
}

/** Runs `work` for 0..count-1, IN_FLIGHT at a time. */
async function each(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

function body(name: string, spec: object = {}): object {
  return { metadata: { name }, spec: { type: "NodePort", ports: [{ port: 80 }], ...spec } };
}

/** The addresses and ports of Services, and the reservations in the store. */
async function state() {
  const services = await rows<Service>("/registry/services/specs/");
  const [range] = await rows<{ range: string; data: string }>("/registry/ranges/");
  const addresses = await rows<{ metadata: { name: string } }>("/registry/ipaddresses/");
  return {
    heldAddresses: services.map(({ spec }) => spec.clusterIP!).sort(),
    addresses: addresses.map(({ metadata }) => metadata.name).sort(),
    heldPorts: services.flatMap(({ spec }) => spec.ports!.flatMap((p) => p.nodePort ?? [])).sort(),
    ports: portsIn(range!),
  };
}

async function rows<T>(prefix: string): Promise<T[]> {
  const key = Buffer.from(prefix);
  const found = await etcd.client.range({ key, rangeEnd: prefixEnd(prefix) });
  return found.kvs.map(({ value }) => JSON.parse(value.toString("utf8")) as T);
}

/** Upstream's bitmap: bit i of a big-endian number stands for the i-th port. */
function portsIn({ range, data }: { range: string; data: string }): number[] {
  const from = Number(range.split("-")[0]);
  const bits = [...Buffer.from(data, "base64")].reverse();
  return bits.flatMap((byte, i) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => from + i * 8 + bit),
  );
}

function consistent(now: Awaited<ReturnType<typeof state>>): boolean {
  const { heldAddresses, addresses, heldPorts, ports } = now;
  return heldAddresses.join() === addresses.join() && heldPorts.join() === ports.join();
}

it("a hundred creates through two servers: nothing twice, nothing lost", async () => {
  const refused: string[] = [];
  await each(COUNT, async (i) => {
    const answer = await clients[i % 2]!.send("POST", SERVICES, body(`s${i}`));
    if (answer.status !== 201) refused.push(answer.body);
  });
  expect(refused).toEqual([]);
  const made = await state();
  // One more is the Service `kubernetes`, which has no node port.
  expect(new Set(made.heldAddresses).size).toBe(COUNT + 1);
  expect(new Set(made.heldPorts).size).toBe(COUNT);
  expect(made.addresses).toEqual(made.heldAddresses);
  expect(made.ports).toEqual(made.heldPorts);
  await each(COUNT, async (i) => {
    const answer = await clients[(i + 1) % 2]!.send("DELETE", `${SERVICES}/s${i}`);
    if (answer.status !== 200) refused.push(answer.body);
  });
  expect(refused).toEqual([]);
  const left = await state();
  expect([left.heldAddresses.length, left.addresses.length]).toEqual([1, 1]);
  expect([left.heldPorts, left.ports]).toEqual([[], []]);
});

it("what a server reserved before it died is free again after a while", async () => {
  const dying = await startTestApiserver(dyingBefore("/registry/services/specs/", etcd.client));
  const client = await clientOf(dying);
  const lost = client.send("POST", SERVICES, body("lost", { clusterIP: "10.96.0.66" }));
  const reserved = async () => !consistent(await state());
  await waitFor("the reservation", reserved);
  client.close();
  await expect(lost).rejects.toThrow();
  await dying.close();
  const mending = await startTestApiserver(etcd.client, { clock: hurried });
  await waitFor("the repair", async () => consistent(await state()));
  await mending.close();
  const again = await clients[0]!.send("POST", SERVICES, body("w", { clusterIP: "10.96.0.66" }));
  expect(again.status).toBe(201);
});

it("a server that starts leaves alone what a write under way has reserved", async () => {
  const slow = heldBack("/registry/services/specs/", etcd.client);
  const server = await startTestApiserver(slow.client);
  const client = await clientOf(server);
  slow.hold();
  const create = client.send("POST", SERVICES, body("slow", { clusterIP: "10.96.0.67" }));
  await waitFor("the reservation", async () => !consistent(await state()));
  const starting = await startTestApiserver(etcd.client);
  const thief = await clients[0]!.send("POST", SERVICES, body("t", { clusterIP: "10.96.0.67" }));
  expect(thief.status).toBe(422);
  slow.release();
  expect((await create).status).toBe(201);
  expect(consistent(await state())).toBe(true);
  client.close();
  await starting.close();
  await server.close();
});

it("an address and a port that a Service holds without saying so are reserved again", async () => {
  const held = (await clients[0]!.send("POST", SERVICES, body("held"))).body;
  const { spec } = JSON.parse(held) as Service;
  await etcd.client.deleteRange({ key: Buffer.from(`/registry/ipaddresses/${spec.clusterIP}`) });
  await etcd.client.deleteRange({ key: Buffer.from("/registry/ranges/servicenodeports") });
  const mending = await startTestApiserver(etcd.client);
  expect(consistent(await state())).toBe(true);
  await mending.close();
});

it("the address of a Service that is deleted stays if it is another's by now", async () => {
  const key = Buffer.from("/registry/ipaddresses/10.96.0.68");
  await clients[0]!.send("POST", SERVICES, body("before", { clusterIP: "10.96.0.68" }));
  const { kvs } = await etcd.client.range({ key });
  const value = kvs[0]!.value.toString("utf8").replace('"name":"before"', '"name":"after"');
  await etcd.client.put({ key, value: Buffer.from(value) });
  expect((await clients[0]!.send("DELETE", `${SERVICES}/before`)).status).toBe(200);
  expect((await etcd.client.range({ key })).kvs).toHaveLength(1);
  await etcd.client.deleteRange({ key });
});

/** A client whose creation of Services never comes back, as when the process ends before it. */
function dyingBefore(prefix: string, client: EtcdClient): EtcdClient {
  const isNew = (key: Buffer) =>
    key.toString().startsWith(prefix) && !key.toString().endsWith("/kubernetes");
  return {
    ...client,
    txn: (request, options) =>
      isNew(Buffer.from(request.compare![0]!.key!))
        ? new Promise(() => undefined)
        : client.txn(request, options),
  };
}

/** A client whose writes below `prefix` wait while they are held. */
function heldBack(prefix: string, client: EtcdClient) {
  let gate: Promise<void> = Promise.resolve();
  let open = () => {};
  return {
    hold: () => (gate = new Promise((resolve) => (open = resolve))),
    release: () => open(),
    client: {
      ...client,
      txn: async (request, options) => {
        if (request.compare![0]!.key!.toString().startsWith(prefix)) await gate;
        return await client.txn(request, options);
      },
    } satisfies EtcdClient,
  };
}
