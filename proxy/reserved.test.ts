import { expect, test } from "vitest";
import { nodeAddresses, reservedBy } from "./reserved.ts";

const ipv4 = (address: string) => [
  {
    address,
    family: "IPv4" as const,
    netmask: "255.255.255.255",
    mac: "02:00:00:00:00:01",
    internal: false,
    cidr: `${address}/32`,
  },
];

test("the node's addresses are reserved, those that IPVS mode serves are not", () => {
  const own = nodeAddresses({ eth0: ipv4("203.0.113.9"), "kube-ipvs0": ipv4("198.51.100.7") });
  const reserved = reservedBy(["192.0.2.1"], own);
  expect(reserved("192.0.2.1")).toBe("the API server's");
  expect(reserved("203.0.113.9")).toBe("this node's");
  // Else an external address is refused as soon as it is on the device.
  expect(reserved("198.51.100.7")).toBeUndefined();
});
