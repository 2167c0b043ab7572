import { execFileSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { enterNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { createVeth, getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { addTokenBucket } from "@raft2kube/linux/netlink/traffic-control.ts";
import { bindUdp } from "@raft2kube/linux/socket/socket.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { createNamespaces } from "../../../testing/network/namespaces.ts";
import { waitFor } from "../../../testing/wait.ts";
import {
  UDP_KEPT_MS,
  UDP_REFUSALS_MAX,
  UDP_REFUSALS_OF_ENDPOINT_MAX,
  UDP_WAITING_MAX,
} from "../../limits.ts";
import type { Target } from "../../plan/model.ts";
import { Budget } from "./proxy-port.ts";
import { openTcpPort } from "./tcp-port.ts";
import { openUdpPort } from "./udp-port.ts";

const HOST = "127.0.0.1";

function budgetOf(most: number, mostPerClient: number) {
  const lines: string[] = [];
  let now_ms = 0;
  const budget = new Budget({
    most,
    mostPerClient,
    clock: { monotonic: () => now_ms },
    log: { warn: (line) => void lines.push(line) },
  });
  return { budget, lines, pass: (ms: number) => void (now_ms += ms) };
}

test("a client takes its own part, and leaves the rest to others", () => {
  const { budget } = budgetOf(5, 2);
  const take = (client: string) => budget.take(client);
  const given = ["a", "a", "a", "b", "b", "c", "d"].map(take);
  expect(given.map(Boolean)).toEqual([true, true, false, true, true, true, false]);
  given[0]?.();
  expect(["d", "a"].map(take).map(Boolean)).toEqual([true, false]);
});

test("a budget within another takes of both, and gives back to both", () => {
  const { budget: within } = budgetOf(3, 2);
  const { clock, log } = { clock: { monotonic: () => 0 }, log: { warn: () => {} } };
  const budget = new Budget({ most: 2, within, clock, log });
  const isGiven = (...given: unknown[]) => given.map(Boolean);
  expect(isGiven(within.take("a"), budget.take("a"))).toEqual([true, true]);
  expect(budget.take("a")).toBeUndefined();
  const giveBack = budget.take("b");
  expect(isGiven(giveBack, budget.take("c"), within.take("c"))).toEqual([true, false, false]);
  giveBack?.();
  expect(isGiven(budget.take("c"), within.take("c"))).toEqual([true, false]);
});

test("what makes room gives it to its own client when it is unused, or to one that has less", () => {
  const { budget, pass } = budgetOf(4, 3);
  const ended: string[] = [];
  const take = (client: string, name: string) => {
    const end = () => {
      ended.push(name);
      giveBack?.();
    };
    const giveBack = budget.take(client, end);
    return giveBack && end;
  };
  const [first] = ["a1", "a2", "a3"].map((name) => take("a", name));
  expect(take("a", "a4")).toBeUndefined();
  pass(1_000);
  budget.use("a", first!);
  expect(take("a", "a5")).toBeDefined();
  expect(ended).toEqual(["a2"]);
  expect(["b1", "b2"].map((name) => take("b", name)).every(Boolean)).toBe(true);
  expect(ended).toEqual(["a2", "a3"]);
  expect(take("b", "b3")).toBeUndefined();
  expect(budget.take("c")).toBeDefined();
  expect(ended).toEqual(["a2", "a3", "a1"]);
});

test("clients that hold connections leave some to further ones, of UDP too, and keep their own", () => {
  const { budget: all, pass } = budgetOf(6, 3);
  const { clock, log } = { clock: { monotonic: () => 0 }, log: { warn: () => {} } };
  const ofUdp = new Budget({ most: 4, within: all, clock, log });
  const ended: string[] = [];
  const connect = (client: string) => {
    const end = () => {
      ended.push(client);
      giveBack?.();
    };
    const giveBack = all.take(client, end, true);
    return giveBack !== undefined;
  };
  const send = (client: string) => ofUdp.take(client, () => undefined) !== undefined;
  expect(["a", "a", "a", "b", "b", "b"].every(connect)).toBe(true);
  pass(60_000);
  expect(connect("a")).toBe(false);
  expect(ended).toEqual([]);
  expect([connect("c"), send("d")]).toEqual([true, true]);
  expect(ended).toEqual(["a", "b"]);
  // With one of UDP it has as many as the others but one.
  expect([connect("d"), send("d"), connect("c")]).toEqual([false, false, false]);
});

test("connections make no room where clients have no parts", () => {
  const budget = new Budget({ most: 2, clock: { monotonic: () => 0 }, log: { warn: () => {} } });
  const ended: string[] = [];
  const take = (client: string) => {
    return budget.take(client, () => ended.push(client), true) !== undefined;
  };
  expect(["a", "a", "b"].map(take)).toEqual([true, true, false]);
  expect(ended).toEqual([]);
});

test("one that has a single one more than another keeps it, or they would take it in turn", () => {
  const { budget } = budgetOf(3, 2);
  const ended: string[] = [];
  const takes = ["a", "a", "b", "b"].map((name) => budget.take(name, () => ended.push(name)));
  expect(takes.map(Boolean)).toEqual([true, true, true, false]);
  expect(ended).toEqual([]);
});

test("the log has one line for many refusals", () => {
  const { budget, lines, pass } = budgetOf(1, 1);
  budget.take("a");
  for (let i = 0; i < 100; i++) budget.take("a");
  expect(lines).toHaveLength(1);
  pass(60_000);
  budget.take("b");
  expect(lines).toHaveLength(2);
});

/** Whether the kernel has a timer for each end of a connection to `port`: for probes. */
function areProbed(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = readFileSync("/proc/self/net/tcp", "utf8")
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, state]) => remote?.endsWith(`:${hex}`) && state === "01");
  return rows.length > 0 && rows.every(([, , , , , timer]) => timer?.startsWith("02:"));
}

test("both ends of a connection that nobody uses are probed", async () => {
  const endpoint = createServer((socket) => socket.pipe(socket)).listen(0, HOST);
  await once(endpoint, "listening");
  const target = { address: HOST, port: (endpoint.address() as AddressInfo).port };
  const { budget } = budgetOf(9, 9);
  const proxy = await openTcpPort(HOST, { clock: systemClock(), budget, log: logger("test") });
  proxy.update([target], undefined);
  const client = connect(proxy.port, HOST);
  client.write("x");
  await once(client, "data");
  expect(areProbed(target.port)).toBe(true);
  expect(areProbed(client.localPort ?? 0)).toBe(true);
  client.destroy();
  proxy.close(true);
  endpoint.close();
});

test("a client is served by a port whose connections another one holds", async () => {
  const endpoint = createServer((socket) => socket.pipe(socket)).listen(0, HOST);
  await once(endpoint, "listening");
  const target = { address: HOST, port: (endpoint.address() as AddressInfo).port };
  const { budget } = budgetOf(2, 2);
  const proxy = await openTcpPort(HOST, { clock: systemClock(), budget, log: logger("test") });
  proxy.update([target], undefined);
  const dial = async (localAddress: string) => {
    const client = connect({ port: proxy.port, host: HOST, localAddress }).on("error", () => {});
    client.write("x");
    await once(client, "data");
    return client;
  };
  const oldest = await dial("127.0.0.2");
  const other = await dial("127.0.0.2");
  const ended = new Promise((resolve) => oldest.once("close", resolve));
  const served = await dial("127.0.0.3");
  await ended;
  expect([other.destroyed, served.destroyed]).toEqual([false, false]);
  proxy.close(true);
  endpoint.close();
});

test("a client of UDP is served again when its earlier ports are unused", async () => {
  const endpoint = createSocket("udp4");
  endpoint.on("message", (message, { port }) => endpoint.send(message, port, HOST));
  endpoint.bind(0, HOST);
  await once(endpoint, "listening");
  const { budget, pass } = budgetOf(2, 2);
  const proxy = await openUdpPort(HOST, { clock: systemClock(), budget, log: logger("test") });
  proxy.update([{ address: HOST, port: endpoint.address().port }], undefined);
  for (let asked = 0; asked < 5; asked++) {
    const client = createSocket("udp4");
    client.send(`${asked}`, proxy.port, HOST);
    expect(String((await once(client, "message"))[0])).toBe(`${asked}`);
    client.close();
    pass(1_000);
  }
  proxy.close(true);
  endpoint.close();
});

test("a UDP client gets few sockets to an endpoint that refuses it, and others as before", async () => {
  const [refusing, endpoint] = [createSocket("udp4"), createSocket("udp4")];
  endpoint.on("message", (message, { port, address }) => endpoint.send(message, port, address));
  for (const socket of [refusing, endpoint]) socket.bind(0, HOST);
  await Promise.all([refusing, endpoint].map((socket) => once(socket, "listening")));
  const dead = { address: HOST, port: refusing.address().port };
  const live = { address: HOST, port: endpoint.address().port };
  refusing.close();
  const { budget, pass } = budgetOf(200, 100);
  let [given, refused] = [0, 0];
  const [take, has] = [budget.take.bind(budget), budget.refusals.has.bind(budget.refusals)];
  budget.take = (...options) => {
    given++;
    return take(...options);
  };
  budget.refusals.has = (...options) => {
    const isRefused = has(...options);
    if (isRefused) refused++;
    return isRefused;
  };
  const context = { clock: systemClock(), budget, log: logger("test") };
  const [proxy, dns] = [await openUdpPort(HOST, context), await openUdpPort(HOST, context)];
  proxy.update([dead], undefined);
  dns.update([live], undefined);
  const client = createSocket("udp4");
  const isRefused = () => {
    client.send("x", proxy.port, HOST);
    return refused > 10;
  };
  await waitFor("the client to get no socket", isRefused, { interval_ms: 1 });
  expect(given).toBe(UDP_REFUSALS_OF_ENDPOINT_MAX);
  const answered = async (port: number) => {
    client.send("y", port, HOST);
    expect(String((await once(client, "message"))[0])).toBe("y");
  };
  await answered(dns.port);
  proxy.update([dead, live], undefined);
  await answered(proxy.port);
  proxy.update([dead], undefined);
  pass(UDP_KEPT_MS);
  client.send("x", proxy.port, HOST);
  await waitFor("another attempt", () => given === 5);
  for (const socket of [endpoint, client]) socket.close();
  for (const port of [proxy, dns]) port.close(true);
});

test("a UDP client that many endpoints refuse gets no socket to any until that is over", () => {
  const { budget, pass } = budgetOf(1, 1);
  const { refusals } = budget;
  for (let port = 0; port < UDP_REFUSALS_MAX; port++) {
    expect([refusals.has("a"), refusals.has("a", `t:${port}`)]).toEqual([false, false]);
    refusals.note("a", `t:${port}`);
  }
  expect([refusals.has("a"), refusals.has("b")]).toEqual([true, false]);
  pass(UDP_KEPT_MS);
  expect(refusals.has("a")).toBe(false);
});

test("a UDP client stays at an endpoint that is kept, and leaves one that is gone", async () => {
  const [first, second] = [createSocket("udp4"), createSocket("udp4")];
  const asked = async (socket: Socket) => {
    const [message] = await once(socket, "message");
    return String(message);
  };
  const targets: Target[] = [];
  for (const socket of [first, second]) {
    socket.bind(0, HOST);
    await once(socket, "listening");
    targets.push({ address: HOST, port: socket.address().port });
  }
  const [one, two] = targets;
  const { budget } = budgetOf(9, 9);
  const proxy = await openUdpPort(HOST, { clock: systemClock(), budget, log: logger("test") });
  const client = createSocket("udp4");
  const send = (text: string) => client.send(text, proxy.port, HOST);
  proxy.update([one!], undefined);
  send("a");
  expect(await asked(first)).toBe("a");
  proxy.update([two!], undefined, [one!]);
  send("b");
  expect(await asked(first)).toBe("b");
  proxy.update([two!], undefined);
  send("c");
  expect(await asked(second)).toBe("c");
  proxy.close(true);
  for (const socket of [first, second, client]) socket.close();
});

test.runIf(process.getuid?.() === 0)(
  "what the slow link of a UDP endpoint does not take is dropped",
  async () => {
    const namespaces = createNamespaces("r2k-udpslow-");
    const [node, netns] = [namespaces.add("node"), namespaces.add("pod")];
    enterNetns(node);
    using route = openRoute();
    createVeth(route, { name: "pod", up: true }, { name: "eth0", up: true, netns });
    const { index } = getLink(route, "pod");
    addAddress(route, index, "10.9.0.1/24");
    addTokenBucket(route, index, { rate: 125, burst_bytes: 2_000, limit_bytes: 131_072 });
    const fd = inNetns(netns, () => {
      using own = openRoute();
      addAddress(own, getLink(own, "eth0").index, "10.9.0.2/24");
      return bindUdp("10.9.0.2", 0);
    });
    const endpoint = createSocket("udp4").bind({ fd });
    const client = createSocket("udp4").bind({ fd: bindUdp(HOST, 0) });
    let [passed, received, isThrough] = [0, 0, false];
    endpoint.on("message", (message) => {
      received++;
      isThrough ||= message.toString() === "last";
    });
    const { budget } = budgetOf(9, 9);
    budget.use = () => void passed++;
    const proxy = await openUdpPort(HOST, { clock: systemClock(), budget, log: logger("test") });
    onTestFinished(() => {
      proxy.close(true);
      endpoint.close();
      client.close();
      namespaces.close();
    });
    proxy.update([{ address: "10.9.0.2", port: endpoint.address().port }], undefined);
    const send = (text: string) => client.send(text, proxy.port, HOST);
    const sentOne = async () => {
      const before = passed;
      send("x");
      await waitFor("a packet", () => passed > before, { interval_ms: 0 });
    };
    for (let sent = 0; sent < 1_000; sent++) await sentOne();
    received = 0;
    execFileSync("tc", ["qdisc", "del", "dev", "pod", "root"]);
    const last = () => {
      if (!isThrough) send("last");
      return isThrough;
    };
    await waitFor("the last packet", last);
    expect(received).toBeLessThan(3 * UDP_WAITING_MAX);
  },
);
