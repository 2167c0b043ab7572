import { describe, expect, test } from "vitest";
import { formatIp, parseIp } from "../../lib/ip.ts";
import { nextFree, toRange } from "./range.ts";

const ip = (text: string) => parseIp(text, "test");
const next = (ranges: ReturnType<typeof toRange>[], last: string | undefined, taken: string[]) => {
  const choice = nextFree(ranges, last === undefined ? undefined : ip(last), new Set(taken));
  return choice && formatIp(choice.ip);
};

describe("defaults of a range", () => {
  test("are all addresses except network, gateway and broadcast of IPv4", () => {
    const range = toRange({ subnet: "10.0.0.0/29" });
    const given: string[] = [];
    for (let address; (address = next([range], given.at(-1), given)); ) given.push(address);
    expect(given).toEqual(["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
  });

  test("IPv6 has no broadcast address", () => {
    const range = toRange({ subnet: "fd00::/126" });
    expect(formatIp({ family: 6, value: range.end })).toBe("fd00::3");
  });

  test.each([
    [{ subnet: "10.0.0.1/24" }, /bits set after its prefix/],
    [{ subnet: "10.0.0.0/31" }, /too small/],
    [{ subnet: "10.0.0.0/24", rangeStart: "10.0.1.1" }, /rangeStart 10.0.1.1 is not in it/],
    [{ subnet: "10.0.0.0/24", rangeStart: "10.0.0.9", rangeEnd: "10.0.0.8" }, /before it starts/],
    [{ subnet: "10.0.0.0/24", gateway: "x" }, /not an IP address/],
  ])("%j is rejected", (config, message) => {
    expect(() => toRange(config)).toThrow(message);
  });
});

describe("the next address", () => {
  const low = toRange({ subnet: "10.0.0.0/24", rangeStart: "10.0.0.10", rangeEnd: "10.0.0.12" });
  const high = toRange({ subnet: "10.0.1.0/24", rangeStart: "10.0.1.1", rangeEnd: "10.0.1.2" });

  test("follows the last one, so that a released address is reused late", () => {
    expect(next([low], undefined, [])).toBe("10.0.0.10");
    expect(next([low], "10.0.0.10", [])).toBe("10.0.0.11");
    expect(next([low], "10.0.0.12", [])).toBe("10.0.0.10");
  });

  test("continues in the next range of the set, and wraps around", () => {
    expect(next([low, high], "10.0.0.12", [])).toBe("10.0.1.2");
    expect(next([low, high], "10.0.1.2", [])).toBe("10.0.0.10");
    const taken = ["10.0.0.12", "10.0.1.2", "10.0.0.10"];
    expect(next([low, high], "10.0.0.11", taken)).toBe("10.0.0.11");
  });

  test("is undefined if all are allocated", () => {
    expect(next([low], "10.0.0.11", ["10.0.0.10", "10.0.0.11", "10.0.0.12"])).toBeUndefined();
    expect(next([low], undefined, ["10.0.0.10", "10.0.0.11", "10.0.0.12"])).toBeUndefined();
  });

  test("ignores a last address outside of all ranges", () => {
    expect(next([low], "192.0.2.1", [])).toBe("10.0.0.10");
  });
});
