import { listFlows } from "@raft2kube/linux/netfilter/conntrack.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { USERSPACE_MODE } from "@raft2kube/proxy/apply/userspace/apply.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ADDRESSES,
  createNodeNetwork,
  type NodeNetwork,
  TARGETS,
} from "../../../testing/network/node-network.ts";
import { servicePort } from "../../../testing/service-port.ts";
import type { Served } from "./implementation.ts";
import { ours } from "./ours.ts";
import { answers, freshPort, serve, TWO } from "./steps.ts";

/** Numbers that the node gives to connections, of which the proxy makes one for each client's. */
const NUMBERS = 32;
/** A number of ports of both protocols. */
const SHARED = 50_001;
const IP = "10.96.8.1";
/** A number whose connection has ended is kept for 60 s: so long no attempt may wait. */
const ANSWER_MS = 30_000;

describe.runIf(process.getuid?.() === 0)("a number that ports of TCP and UDP share", () => {
  test("is forgotten by UDP clients when the UDP port is closed", async () => {
    const net = await createNodeNetwork();
    writeSysctl("net.ipv4.ip_local_port_range", `${SHARED} ${SHARED}`);
    const rules = USERSPACE_MODE.create({ clock: systemClock(), log: logger("test") });
    const shared = (transport: "tcp" | "udp", target: number) =>
      servicePort({
        key: `default/dns:${transport}`,
        transport,
        port: 53,
        clusterIps: [IP],
        allEndpoints: [{ address: ADDRESSES.two, port: target }],
      });
    const [udp, tcp] = [shared("udp", TARGETS.dns), shared("tcp", TARGETS.http)];
    const clients = () => listFlows("udp").filter(({ reply }) => reply.sourcePort === SHARED);
    try {
      await rules.rebuild([udp], []);
      // Of two numbers the other is for connections.
      writeSysctl("net.ipv4.ip_local_port_range", `${SHARED - 1} ${SHARED}`);
      await rules.change(new Map([[tcp.key, tcp]]));
      await answers(net.outside, [IP, 53], /^two /);
      await answers(net.outside, [IP, 53], /^two /, { protocol: "udp" });
      expect(clients()).not.toEqual([]);
      await rules.change(new Map([[udp.key, undefined]]));
      expect(clients()).toEqual([]);
    } finally {
      await rules.close();
      net.close();
    }
  });
});

describe.runIf(process.getuid?.() === 0)("a number that a former process had", () => {
  test("leads its UDP clients to their own Service, whichever has it now", async () => {
    const net = await createNodeNetwork();
    const dns = (ip: string, address: string) =>
      servicePort({
        key: `default/${ip}`,
        transport: "udp",
        port: 53,
        clusterIps: [ip],
        allEndpoints: [{ address, port: TARGETS.dns }],
      });
    const [first, second] = [dns("10.96.8.3", ADDRESSES.one), dns(IP, ADDRESSES.two)];
    const start = async (...ports: ReturnType<typeof servicePort>[]) => {
      const rules = USERSPACE_MODE.create({ clock: systemClock(), log: logger("test") });
      await rules.rebuild(ports, []);
      return rules;
    };
    let rules = await start(second);
    const query = { protocol: "udp", localPort: freshPort() } as const;
    try {
      await answers(net.outside, [IP, 53], /^two /, query);
      await rules.close();
      rules = await start(first, second);
      await answers(net.outside, [IP, 53], /^two /, query);
    } finally {
      await rules.close();
      net.close();
    }
  });
});

describe.runIf(process.getuid?.() === 0)("the numbers of the userspace proxy's sockets", () => {
  let net: NodeNetwork;
  let served: Served;

  beforeAll(async () => {
    net = await createNodeNetwork();
    writeSysctl("net.ipv4.ip_local_port_range", `50000 ${50_000 + NUMBERS - 1}`);
    served = await ours("userspace").start();
    await serve(served, { name: "many", ip: IP, endpoints: [TWO] });
    await answers(net.outside, [IP, 80], /^two /);
  });

  afterAll(async () => {
    await served.close();
    net.close();
  });

  test("a connection that its client resets leaves its number at once", async () => {
    for (let at = 0; at < 4 * NUMBERS; at++) {
      expect(await net.outside.ask(IP, 80), `connection ${at}`).toMatch(/^two /);
    }
  });

  test("one that its client ends leaves it before the minute of TIME_WAIT", async () => {
    for (let at = 0; at < 2 * NUMBERS; at++) {
      await answers(net.outside, [IP, 80], /^two /, { ends: true }, ANSWER_MS);
    }
  });
});
