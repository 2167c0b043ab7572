import { expect, it } from "vitest";
import { NODE_ADDRESSES_SPARED_MAX } from "../limits.ts";
import { allocate, type Wanted } from "./allocate.ts";
import { addressesOf, type Pool, readPools, reportedBy } from "./pools.ts";

const poolsOf = (data: Record<string, string>): Pool[] => {
  const { pools, problems } = readPools(data);
  expect(problems).toEqual([]);
  return pools;
};

it("ports of Services that share an address are compared once with all before", () => {
  const pools = poolsOf({ default: "10.0.0.1" });
  let reads = 0;
  const services = [1, 2, 3, 4].map((at) => {
    const one = service(`n/s${at}`, { sharing: "web" });
    const ports = () => {
      reads++;
      return [`TCP/${at}`];
    };
    return Object.defineProperty(one, "ports", { get: ports });
  });
  expect(new Set(allocate(services, pools).values())).toContainEqual({ address: "10.0.0.1" });
  expect(reads).toBeLessThan(2 * services.length);
});

it.each([
  ["10.0.0.7", ["10.0.0.7"]],
  ["10.0.0.7-10.0.0.9", ["10.0.0.7", "10.0.0.8", "10.0.0.9"]],
  ["10.0.0.8/30", ["10.0.0.9", "10.0.0.10"]],
  ["10.0.0.8/31", ["10.0.0.8", "10.0.0.9"]],
  ["10.0.0.8/32", ["10.0.0.8"]],
  ["10.0.0.255-10.0.1.0,\n 10.0.2.1", ["10.0.0.255", "10.0.1.0", "10.0.2.1"]],
])("the addresses of %j are %j", (text, addresses) => {
  expect([...addressesOf(poolsOf({ default: text })[0]!)]).toEqual(addresses);
});

it.each([
  [{ default: "10.0.0.9-10.0.0.7" }, "default: 10.0.0.9-10.0.0.7 is not a range"],
  [{ default: "10.0.0.1-2-3" }, "default: 10.0.0.1-2-3 is not a range"],
  [{ default: "10.0.0.0/33" }, "default: 10.0.0.0/33 is not a range"],
  [{ default: "10.0.0.0/" }, "default: 10.0.0.0/ is not a range"],
  [{ default: "10.256.0.1" }, "default: 10.256.0.1 is not a range"],
  [{ default: "0x0a000001" }, "default: 0x0a000001 is not a range"],
  [{ default: "::1" }, "default: ::1 is not a range"],
  [{ default: "${jndi:x}" }, "default: ${jndi:x} is not a range"],
  [{ default: "0.0.0.0-255.255.255.255" }, "default: more than 65536 addresses"],
  [{ a: "10.0.0.1-10.0.0.9", b: "10.0.0.9" }, "a and b overlap at 10.0.0.9"],
  [{ a: "10.0.0.1-10.0.0.9, 10.0.0.2" }, "a and a overlap at 10.0.0.2"],
])("%j has a problem: %s", (data, problem) => {
  expect(readPools(data as Record<string, string>).problems).toEqual([
    expect.stringContaining(problem),
  ]);
});

let age = 0;
const service = (key: string, more: Partial<Wanted> = {}): Wanted => ({
  key,
  namespace: key.split("/")[0]!,
  since: new Date(++age * 1_000).toISOString(),
  current: undefined,
  pool: undefined,
  address: undefined,
  sharing: undefined,
  ports: ["TCP/80"],
  local: "",
  ...more,
});

const POOLS = poolsOf({ default: "10.0.0.1-10.0.0.2", blue: "10.0.1.1", own: "10.0.2.1" });

/** Returns the last octets or the refusals, by key. */
function decided(services: Wanted[], pools = POOLS): Record<string, string> {
  return Object.fromEntries(
    [...allocate(services, pools)].map(([key, outcome]) => [
      key,
      "address" in outcome ? outcome.address.slice(5) : outcome.refused,
    ]),
  );
}

it("the older Services have the first free addresses; the next one is refused", () => {
  const [a, b, c] = [service("n/a"), service("n/b"), service("n/c")];
  expect(decided([c!, b!, a!])).toEqual({
    "n/a": "0.1",
    "n/b": "0.2",
    "n/c": "pool default has no free address",
  });
});

it("a Service keeps its address, whoever is older, while its pool has it", () => {
  const old = service("n/old");
  const has = service("n/has", { current: "10.0.0.1" });
  expect(decided([old, has])).toEqual({ "n/has": "0.1", "n/old": "0.2" });
  expect(decided([old, has], poolsOf({ default: "10.0.0.2-10.0.0.3" }))).toEqual({
    "n/old": "0.2",
    "n/has": "0.3",
  });
});

it("one of two that have the same address keeps it: the older", () => {
  const first = service("n/first", { current: "10.0.0.2" });
  const second = service("n/second", { current: "10.0.0.2" });
  expect(decided([second, first])).toEqual({ "n/first": "0.2", "n/second": "0.1" });
});

it("a pool or an address is had on request", () => {
  expect(
    decided([
      service("n/blue", { pool: "blue" }),
      service("n/second", { address: "10.0.0.2" }),
      service("web/own", { address: "10.0.2.1" }),
      service("n/none", { pool: "red" }),
      service("n/foreign", { address: "10.0.3.1" }),
      service("n/taken", { address: "10.0.0.2" }),
      service("n/both", { pool: "blue", address: "10.0.0.1" }),
      service("n/bad", { address: "<script>" }),
    ]),
  ).toEqual({
    "n/blue": "1.1",
    "n/second": "0.2",
    "web/own": "2.1",
    "n/none": "no pool red",
    "n/foreign": "10.0.3.1 is in no pool",
    "n/taken": "10.0.0.2 is in use by another Service",
    "n/both": "10.0.0.1 is not in pool blue",
    "n/bad": "<script> is in no pool",
  });
});

it("an address that is asked for another way is given back", () => {
  const moved = service("n/moved", { current: "10.0.0.1", address: "10.0.0.2" });
  const left = service("n/left", { current: "10.0.1.1" });
  expect(decided([moved, left])).toEqual({ "n/moved": "0.2", "n/left": "0.1" });
});

it("Services of a namespace share an address by key, with other ports and one policy", () => {
  const sharing = "web";
  expect(
    decided([
      service("n/http", { sharing }),
      service("n/https", { sharing, ports: ["TCP/443"] }),
      service("n/quic", { sharing, ports: ["UDP/443"] }),
      service("n/again", { sharing, address: "10.0.0.1" }),
      service("m/https", { sharing, address: "10.0.0.1", ports: ["TCP/8443"] }),
      service("n/local", { sharing, address: "10.0.0.1", ports: ["TCP/22"], local: "{}" }),
      service("n/alone", { address: "10.0.0.1", ports: ["TCP/21"] }),
    ]),
  ).toEqual({
    "n/http": "0.1",
    "n/https": "0.1",
    "n/quic": "0.1",
    "n/again": "10.0.0.1 is in use by another Service",
    "m/https": "10.0.0.1 is in use by another Service",
    "n/local": "10.0.0.1 is in use by another Service",
    "n/alone": "10.0.0.1 is in use by another Service",
  });
});

it("a Service whose new port another of its address has moves away", () => {
  const sharing = "web";
  const first = service("n/a", { sharing, current: "10.0.0.1", ports: ["TCP/80"] });
  const second = service("n/b", { sharing, current: "10.0.0.1", ports: ["TCP/80", "TCP/81"] });
  expect(decided([first, second])).toEqual({ "n/a": "0.1", "n/b": "0.2" });
});

it("no Service is given an address that a Node reports, nor loses its own to one", () => {
  const has = service("n/has", { current: "10.0.0.1" });
  const asks = service("n/asks", { address: "10.0.1.1" });
  const outcomes = allocate(
    [service("n/next"), has, asks],
    poolsOf({ default: "10.0.0.1-10.0.0.3", blue: "10.0.1.1" }),
    new Set(["10.0.0.1", "10.0.0.2", "10.0.1.1"]),
  );
  expect(Object.fromEntries(outcomes)).toEqual({
    "n/has": { address: "10.0.0.1" },
    "n/next": { address: "10.0.0.3" },
    "n/asks": { refused: "10.0.1.1 is a node's" },
  });
});

it("a Node that reports a whole pool leaves most of it to Services", () => {
  const addresses = Array.from({ length: 254 }, (_, i) => {
    return { type: "ExternalIP" as const, address: `10.0.0.${i + 1}` };
  });
  const reported = reportedBy([{ metadata: {}, spec: {}, status: { addresses } }]);
  expect(reported).toContain("10.0.0.1");
  const pools = poolsOf({ default: "10.0.0.1-10.0.0.254" });
  const outcomes = allocate([service("n/web")], pools, reported);
  expect(outcomes.get("n/web")).toEqual({ address: `10.0.0.${NODE_ADDRESSES_SPARED_MAX + 1}` });
});
