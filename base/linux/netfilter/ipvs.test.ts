import { describe, expect, test } from "vitest";
import { genericMessage } from "../netlink/generic-netlink.ts";
import { entryAttribute } from "./ipset.ts";
import { destinationAttribute, parseDestination, parseServer, serverAttribute } from "./ipvs.ts";

// The bytes are those that the kernel's headers ask for (linux/ip_vs.h, ip_set.h): little-endian
// lengths and types, ports and addresses in network order. The guest group sends them to a kernel.

const hex = (bytes: Buffer) =>
  bytes
    .toString("hex")
    .replaceAll(/(.{8})/g, "$1 ")
    .trim();
const server = {
  address: "10.96.0.1",
  protocol: "tcp",
  port: 443,
  scheduler: "rr",
  persistence_s: undefined,
} as const;

describe("a virtual server", () => {
  test("is identified by family, protocol, address and port", () => {
    const { scheduler: _scheduler, persistence_s: _persistence_s, ...key } = server;
    expect(hex(serverAttribute(key))).toBe(
      [
        "30000180", // nest SERVICE, 48 bytes
        "06000100",
        "02000000", // AF_INET
        "06000200",
        "06000000", // TCP
        "14000300",
        "0a600001",
        "00000000",
        "00000000",
        "00000000",
        "06000400",
        "01bb0000",
      ].join(" "),
    );
  });

  test("has a scheduler, and keeps clients when it is persistent", () => {
    const text = hex(serverAttribute({ ...server, persistence_s: 300 }));
    expect(text).toContain("07000600 72720000"); // rr
    expect(text).toContain("0c000700 01000000 ffffffff"); // PERSISTENT of all flags
    expect(text).toContain("08000800 2c010000 08000900 ffffffff"); // 300 s, one client
  });

  test("has the flag that no scheduler uses when it is marked", () => {
    expect(hex(serverAttribute({ ...server, marked: true }))).toContain("0c000700 20000000");
  });

  test.each([
    { persistence_s: undefined },
    { persistence_s: 300 },
    { persistence_s: 300, marked: true },
    { marked: true },
  ])("is read back: %j", (changes) => {
    const wanted = { ...server, ...changes };
    expect(parseServer(genericMessage(1, 1, serverAttribute(wanted)))).toEqual([wanted]);
  });

  test("of another family or of nothing is none", () => {
    const other = serverAttribute(server);
    other.writeUInt16LE(10, 8);
    expect(parseServer(genericMessage(1, 1, other))).toEqual([]);
    expect(parseServer(genericMessage(1, 1))).toEqual([]);
    expect(parseDestination(Buffer.alloc(0))).toEqual([]);
  });
});

test("a destination is masqueraded, without thresholds, and read back", () => {
  const destination = { address: "10.244.0.7", port: 8080, weight: 1 };
  const text = hex(destinationAttribute(destination));
  expect(text).toContain("06000200 1f900000"); // port 8080
  expect(text).toContain("08000300 00000000 08000400 01000000"); // NAT, weight 1
  expect(text).toContain("08000500 00000000 08000600 00000000"); // which the kernel demands
  expect(parseDestination(genericMessage(5, 1, destinationAttribute(destination)))).toEqual([
    { ...destination, activeConnections: 0, inactiveConnections: 0 },
  ]);
});

test("an entry of a set has address, port and protocol, and a second address or range", () => {
  const port = { protocol: "udp", number: 53 } as const;
  const text = hex(entryAttribute({ ip: "10.96.0.10", port, second: "10.244.0.0/16" }));
  expect(text).toContain("0c000180 08000140 0a60000a"); // IP
  expect(text).toContain("06000440 00350000"); // port, in network order
  expect(text).toContain("05000700 11000000"); // UDP
  expect(text).toContain("0c001480 08000140 0af40000"); // the range
  expect(text).toContain("05001500 10000000"); // its 16 bits
});
