import { expect, test } from "vitest";
import { parseDefaultInterface, parseInterfaceCounters } from "./interface-counters.ts";

const DEV = `Inter-|   Receive                            |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0
  eth0: 320575076    8232    3    0    0     0          0         0   589798    4628    4 0 0 0 0 0
`;

test("an interface has the counters of both directions; loopback is left out", () => {
  expect(parseInterfaceCounters(DEV)).toEqual([
    {
      name: "eth0",
      rx_bytes: 320575076,
      rx_packets: 8232,
      rx_errors: 3,
      rx_dropped: 0,
      tx_bytes: 589798,
      tx_packets: 4628,
      tx_errors: 4,
      tx_dropped: 0,
    },
  ]);
});

test("the default interface is that of the default route with the lowest metric", () => {
  const route = (name: string, destination: string, metric: number, mask: string) =>
    [name, destination, "0101A8C0", "0003", "0", "0", metric, mask, "0", "0", "0"].join("\t");
  const text = [
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT",
    route("eth2", "0001A8C0", 0, "00FFFFFF"),
    route("eth1", "00000000", 200, "00000000"),
    route("eth0", "00000000", 100, "00000000"),
    "",
  ].join("\n");
  expect(parseDefaultInterface(text)).toBe("eth0");
  expect(parseDefaultInterface(text.split("\n")[0]!)).toBeUndefined();
});
