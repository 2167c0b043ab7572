import { afterAll, beforeAll, expect, it } from "vitest";
import { ask } from "../../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";
import { addressAt, parseServiceCidr, serviceCidr } from "./service-cidr.ts";

const SERVICES = "/api/v1/namespaces/default/services";

let etcd: EtcdServer;
let servers: TestApiserver[];
const admins = new Map<TestApiserver, { cert: string; key: string }>();

beforeAll(async () => {
  etcd = await startEtcd();
  servers = [await startTestApiserver(etcd.client), await startTestApiserver(etcd.client)];
  for (const server of servers) {
    admins.set(server, await server.credentials("a", ["system:masters"]));
  }
});
afterAll(async () => {
  for (const server of servers) await server.close();
  await etcd.close();
});

async function create(server: TestApiserver, name: string, spec: object = {}) {
  const body = { metadata: { name }, spec: { type: "NodePort", ports: [{ port: 80 }], ...spec } };
  return await ask(server, SERVICES, { method: "POST", body, ...admins.get(server)! });
}

async function remove(name: string) {
  const [server] = servers;
  const path = `${SERVICES}/${name}`;
  return await ask(server!, path, { method: "DELETE", ...admins.get(server!)! });
}

it("an address asked for is given once, and again when it is free", async () => {
  const clusterIP = "10.96.0.77";
  expect((await create(servers[0]!, "want", { clusterIP })).status).toBe(201);
  const taken = await create(servers[1]!, "want-too", { clusterIP });
  expect(taken.status).toBe(422);
  expect(taken.body).toContain("provided IP is already allocated");
  await remove("want");
  expect((await create(servers[1]!, "want-too", { clusterIP })).status).toBe(201);
});

it("an address outside the range, and a port outside its, are refused with the range", async () => {
  const address = await create(servers[0]!, "out", { clusterIP: "192.168.0.1" });
  expect(address.body).toContain("the provided network does not match the current range");
  const edge = await create(servers[0]!, "out", { clusterIP: "10.96.255.255" });
  expect(edge.body).toContain("the provided network does not match the current range");
  const port = await create(servers[0]!, "out", { ports: [{ port: 80, nodePort: 80 }] });
  expect(port.status).toBe(422);
  expect(port.body).toContain("The range of valid ports is 30000-32767");
});

it("a load balancer's Service has node ports, unless it asks for none", async () => {
  const portOf = async (name: string, more: object) => {
    const made = await create(servers[0]!, name, { type: "LoadBalancer", ...more });
    expect(made.status).toBe(201);
    const { spec } = JSON.parse(made.body) as { spec: { ports: { nodePort?: number }[] } };
    return spec.ports[0]!.nodePort;
  };
  expect(await portOf("with", {})).toBeGreaterThanOrEqual(30_000);
  expect(await portOf("without", { allocateLoadBalancerNodePorts: false })).toBeUndefined();
  const ports = [{ port: 80, nodePort: 30_123 }];
  expect(await portOf("asked", { allocateLoadBalancerNodePorts: false, ports })).toBe(30_123);
});

it("ports that are not asked for come from above those that are kept for others", async () => {
  const ports = Array.from({ length: 2_600 }, (_, n) => ({ name: `p${n}`, port: n + 1 }));
  const body = { metadata: { name: "many" }, spec: { type: "NodePort", ports } };
  const options = { method: "POST", body, ...admins.get(servers[0]!)! };
  const made = await ask(servers[0]!, `${SERVICES}?dryRun=All`, options);
  const { spec } = JSON.parse(made.body) as { spec: { ports: { nodePort: number }[] } };
  expect(Math.min(...spec.ports.map(({ nodePort }) => nodePort))).toBeGreaterThanOrEqual(30_086);
});

it("a refused Service leaves nothing reserved", async () => {
  const clusterIP = "10.96.0.88";
  const ports = [{ port: 80, nodePort: 80 }];
  expect((await create(servers[0]!, "no", { clusterIP, ports })).status).toBe(422);
  expect((await create(servers[0]!, "yes", { clusterIP })).status).toBe(201);
});

it.each<[string, object, string]>([
  ["IPv6 alone", { ipFamilies: ["IPv6"] }, "spec.ipFamilies[0]"],
  [
    "both, where they can be had",
    { ipFamilies: ["IPv4", "IPv6"], ipFamilyPolicy: "PreferDualStack" },
    "spec.ipFamilies[1]",
  ],
  ["an IPv6 address", { clusterIP: "fd00::7" }, "spec.ipFamilies[0]"],
  [
    "IPv6, headless",
    { type: "ClusterIP", clusterIP: "None", ipFamilies: ["IPv6"], selector: { app: "x" } },
    "spec.ipFamilies[0]",
  ],
])("a family that the cluster has not is refused: %s", async (_what, spec, field) => {
  const made = await create(servers[0]!, "six", spec);
  expect(made.status).toBe(422);
  expect(JSON.parse(made.body)).toMatchObject({
    message:
      'Service "six" is invalid: ' +
      `${field}: Invalid value: "IPv6": not configured on this cluster`,
  });
});

it("a headless Service without selector may have any family, and one may prefer both", async () => {
  const outside = { type: "ClusterIP", clusterIP: "None", ipFamilies: ["IPv6"] };
  expect((await create(servers[0]!, "outside", outside)).status).toBe(201);
  const both = await create(servers[0]!, "both", { ipFamilyPolicy: "PreferDualStack" });
  expect(both.status).toBe(201);
  expect(JSON.parse(both.body)).toMatchObject({ spec: { ipFamilies: ["IPv4"] } });
});

it("offsets and addresses agree, and the low band is left to static assignments", () => {
  const cidr = parseServiceCidr("10.96.0.0/16");
  const addresses = [1, 255, 256, 65_534].map((offset) => addressAt(cidr, offset));
  expect(addresses).toEqual(["10.96.0.1", "10.96.0.255", "10.96.1.0", "10.96.255.254"]);
  // Upstream's calculateRangeOffset.
  const bands = ["/16", "/20", "/23", "/24", "/26", "/27", "/28", "/30"].map(
    (bits) => serviceCidr(`10.96.0.0${bits}`)?.band,
  );
  expect(bands).toEqual([256, 256, 32, 16, 16, 16, 0, 0]);
  const sizes = ["/24", "/30", "/31", "/32"].map((bits) => serviceCidr(`10.96.0.0${bits}`)?.size);
  expect(sizes).toEqual([254, 2, 0, 0]);
  expect(serviceCidr("fd00::/64")).toBeUndefined();
});
