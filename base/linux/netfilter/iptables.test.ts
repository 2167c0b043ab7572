import { describe, expect, test } from "vitest";
import { withPrograms } from "../../../testing/programs.ts";
import { findIptables, hasNatTable, iptables } from "./iptables.ts";

/** A read of the tables that the kernel refuses. */
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

test.each([
  ["iptables-nft-restore v1.8.4 (nf_tables)", false],
  ["iptables-nft-restore v1.8.5 (nf_tables)", true],
  ["iptables-nft-restore v1.8.10 (nf_tables)", true],
  ["iptables-nft-restore v1.10.0 (nf_tables)", true],
  ["iptables-nft-restore v0.9.9", false],
  ["iptables-nft-restore", false],
])("the program that says `%s` can be kept running: %s", async (version, canBe) => {
  const restore = { "iptables-nft-restore": `echo '${version}'` };
  expect(await withPrograms(restore, () => iptables("nft").answersAtOnce())).toBe(canBe);
});

describe("the kind of programs", () => {
  const works = { "iptables-nft-restore": "exit 0", "iptables-legacy-restore": "exit 0" };
  const find = (scripts: Record<string, string>) =>
    withPrograms({ ...works, ...scripts }, findIptables, "/nowhere");

  test("is legacy where nft or iptables-nft-restore finds no nftables", async () => {
    expect(await find({ nft: "exit 1" })).toMatchObject({ kind: "legacy" });
    expect(await find({ "iptables-nft-restore": "exit 1" })).toMatchObject({ kind: "legacy" });
    expect(await find({})).toMatchObject({ kind: "nft" });
  });

  test("asks no program on nftables where the kernel has none", async () => {
    const asked = { nft: "exit 1", "iptables-nft-restore": "kill -9 $$" };
    expect(await find(asked)).toMatchObject({ kind: "legacy" });
  });

  test.each(["nft", "iptables-nft-restore"])("is not known where %s was killed", async (name) => {
    await expect(find({ [name]: "kill -9 $$" })).rejects.toMatchObject({
      code: name === "nft" ? "nft-failed" : "iptables-failed",
    });
  });
});
