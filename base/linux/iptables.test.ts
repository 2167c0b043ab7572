import { describe, expect, test } from "vitest";
import { hasNatTable } from "./iptables.ts";

/** As the kernel answers a read of its tables. */
const failing = (code: string) => () => {
  throw Object.assign(new Error(code), { code });
};

describe("the legacy nat table", () => {
  test("is there when the kernel lists it", () => {
    expect(hasNatTable(() => "filter\nnat\n")).toBe(true);
  });

  test.each(["EACCES", "ENOENT"])("is none, nor an error, where its list gives %s", (code) => {
    expect(() => hasNatTable(failing(code))).not.toThrow();
  });

  test("is unknown where its list gives another error", () => {
    expect(() => hasNatTable(failing("EIO"))).toThrow("EIO");
  });
});
