import { createSocket } from "node:dgram";
import { once } from "node:events";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNamespaces, type Namespaces } from "../../../testing/network/namespaces.ts";
import { enterNetns } from "../namespace/netns.ts";
import { getLink, openRoute, setLink } from "../netlink/link.ts";
import { flowCount, flowsTo, forgetFlows, forgetFlowsOf, listFlows } from "./conntrack.ts";
import { applyRuleset } from "./nft.ts";

const FLOWS = 2_000;
const TRACK = `table ip track {
  chain output { type filter hook output priority 0; ct state new accept; }
}
`;

describe.runIf(process.getuid?.() === 0)("tracked connections", () => {
  let namespaces: Namespaces;
  beforeAll(async () => {
    namespaces = createNamespaces("r2k-conntrack-");
    enterNetns(namespaces.add("node"));
    using route = openRoute();
    setLink(route, getLink(route, "lo"), { up: true });
    await applyRuleset(TRACK);
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    for (let port = 1; port <= FLOWS; port++) {
      await new Promise((sent) => socket.send("x", port, "127.0.0.1", sent));
    }
    socket.close();
  });
  afterAll(() => namespaces.close());

  it("are forgotten where selected, and other events are processed in between", async () => {
    const clock = new ManualClock();
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const isEven = (port: number) => port % 2 === 0;
    const forgotten = await forgetFlows(
      "udp",
      ({ original }) => {
        clock.advance(1);
        return isEven(original.destinationPort);
      },
      new Slices(clock),
    );
    isDone = true;
    expect(forgotten).toBe(FLOWS / 2);
    const left = listFlows("udp").map(({ original }) => original.destinationPort);
    expect(left.filter(isEven)).toEqual([]);
    expect(left).toHaveLength(FLOWS / 2);
    expect(turns).toBeGreaterThan(5);
  });

  it("of an address are listed where it answers, and forgotten at whichever end it is", async () => {
    await applyRuleset(`table ip nat {
  chain output {
    type nat hook output priority -100;
    ip daddr 127.0.0.9 udp dport 9 dnat to 127.0.0.5:7
  }
}
`);
    const sent = [
      ["127.0.0.5", "127.0.0.6"],
      ["127.0.0.6", "127.0.0.5"],
      ["127.0.0.6", "127.0.0.9"],
      ["127.0.0.6", "127.0.0.7"],
    ] as const;
    for (const [from, to] of sent) {
      const socket = createSocket("udp4");
      socket.bind(0, from);
      await once(socket, "listening");
      await new Promise((done) => socket.send("x", 9, to, done));
      socket.close();
    }
    expect(flowCount()).toBeGreaterThanOrEqual(4);
    const answered = await flowsTo("127.0.0.5");
    expect(answered.map(({ original }) => original.destination).sort()).toEqual([
      "127.0.0.5",
      "127.0.0.9",
    ]);
    expect(await forgetFlowsOf("127.0.0.5")).toBe(3);
    const ends = listFlows("udp").map(({ original }) => [original.source, original.destination]);
    expect(ends.filter(([source]) => source !== "127.0.0.1")).toEqual([["127.0.0.6", "127.0.0.7"]]);
    expect(await forgetFlowsOf("127.0.0.5")).toBe(0);
  });
});
